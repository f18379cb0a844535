using SgLang.Core;
using SgLang.Interop;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// The pipeline of a replica whose stages are on several nodes: tensors go through host memory, within the node by handing the copy over,
/// to other nodes by message. Sending never waits. Thread safe.
/// </summary>
internal sealed class StageExchange(int replica, int node, INodes nodes, TimeSpan timeout)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int TpRank, int From, int To), Mailbox> _mailboxes = [];
    private string? _reason;
    private int _epoch;

    public int NumResets => Volatile.Read(ref _epoch);

    public IPeerLink Connect(RankPlace place, DeviceContext device) => new Link(this, place, device);

    public void Deliver(in StageMessage message)
    {
        Mailbox mailbox = MailboxOf(message.TpRank, message.From, message.To);
        lock (mailbox)
        {
            mailbox.Arrived.Enqueue((message.Epoch, message.Data));
            Monitor.PulseAll(mailbox);
        }
    }

    /// <summary>Whoever waits, and whoever comes, fails with this reason until <see cref="Reset"/>; the first reason stays.</summary>
    public void Abort(string reason)
    {
        Interlocked.CompareExchange(ref _reason, reason, null);
        Mailbox[] all;
        lock (_gate) all = [.. _mailboxes.Values];
        foreach (Mailbox mailbox in all)
            lock (mailbox)
                Monitor.PulseAll(mailbox);
    }

    /// <summary>With no rank inside a call. What another node sends after its own reset may be here already and stays.</summary>
    public void Reset()
    {
        Interlocked.Increment(ref _epoch);
        Volatile.Write(ref _reason, null);
    }

    private void Send(RankPlace place, int to, ReadOnlyMemory<byte> data)
    {
        ThrowIfAborted();
        StageMessage message = new(replica, place.TpRank, place.PpRank, to, NumResets, data);
        if (nodes.Layout.NodeOf(replica, to) == node) Deliver(message);
        else nodes.Send(message);
    }

    private ReadOnlyMemory<byte> Take(RankPlace place, int from)
    {
        Mailbox mailbox = MailboxOf(place.TpRank, from, place.PpRank);
        long deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        lock (mailbox)
        {
            while (true)
            {
                ThrowIfAborted();
                while (mailbox.Arrived.TryPeek(out (int Epoch, ReadOnlyMemory<byte> Data) first) && first.Epoch <= _epoch)
                {
                    mailbox.Arrived.Dequeue();
                    if (first.Epoch == _epoch) return first.Data;
                }
                long left = deadline - Environment.TickCount64;
                if (left <= 0) throw Failed($"stage {from} sent nothing to stage {place.PpRank} within {timeout.TotalMilliseconds:0} ms (--dist-timeout)");
                Monitor.Wait(mailbox, (int)Math.Min(left, int.MaxValue));
            }
        }
    }

    private void ThrowIfAborted()
    {
        if (Volatile.Read(ref _reason) is { } reason) throw Failed(reason);
    }

    private static SglException Failed(string reason) => new(SglStatus.Comm, reason);

    private Mailbox MailboxOf(int tpRank, int from, int to)
    {
        lock (_gate)
        {
            if (!_mailboxes.TryGetValue((tpRank, from, to), out Mailbox? mailbox)) _mailboxes.Add((tpRank, from, to), mailbox = new Mailbox());
            return mailbox;
        }
    }

    private sealed class Mailbox
    {
        public Queue<(int Epoch, ReadOnlyMemory<byte> Data)> Arrived { get; } = new();
    }

    /// <summary>One rank's end; used by its thread.</summary>
    private sealed class Link(StageExchange exchange, RankPlace place, DeviceContext device) : IPeerLink
    {
        private PinnedBuffer? _host;

        public int Rank => place.PpRank;
        public int NumResets => exchange.NumResets;

        public void Send(in Tensor x, int peer)
        {
            if (device.IsMeta) return;
            Tensor host = HostFor(x, out int bytes);
            device.Copy(host, x);
            device.Synchronize();
            exchange.Send(place, peer, _host!.AsSpan<byte>(bytes).ToArray());
        }

        public void Receive(in Tensor y, int peer)
        {
            if (device.IsMeta) return;
            ReadOnlyMemory<byte> data = exchange.Take(place, peer);
            Tensor host = HostFor(y, out int bytes);
            if (data.Length != bytes)
                throw Failed($"stage {peer} sent {data.Length} bytes where stage {place.PpRank} expects {bytes}");
            data.Span.CopyTo(_host!.AsSpan<byte>(bytes));
            device.Copy(y, host);
            // The buffer carries the next tensor next.
            device.Synchronize();
        }

        public void Dispose() => _host?.Dispose();

        private Tensor HostFor(in Tensor tensor, out int bytes)
        {
            bytes = checked((int)tensor.NumBytes);
            if (_host is null || _host.NumBytes < bytes)
            {
                _host?.Dispose();
                _host = null;
                _host = new PinnedBuffer(device, bytes);
            }
            return tensor.Rank switch
            {
                1 => _host.AsTensor(tensor.DType, tensor[0]),
                2 => _host.AsTensor(tensor.DType, tensor[0], tensor[1]),
                _ => throw new ArgumentException($"a stage sends one or two dimensions, got {tensor}"),
            };
        }
    }
}
