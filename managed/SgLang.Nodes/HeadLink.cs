using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>Why a node ends: its exit code and a sentence.</summary>
internal readonly record struct NodeEnd(int ExitCode, string Reason);

/// <summary>
/// Another node's side of the link to node 0: what its ranks say, and what they are told. When node 0 is not heard for a while, or the
/// connection ends, the node ends too.
/// </summary>
internal sealed class HeadLink : INodes, IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly EngineOptions _options;
    private readonly NodeTiming _timing;
    private readonly Outbox<NodeMessage> _control = new();
    private readonly Outbox<StageTensor> _tensors = new();
    private readonly ConcurrentDictionary<int, ReplicaGroups> _groups = [];
    private readonly ConcurrentDictionary<int, ReplicaPart> _parts = [];
    private readonly TaskCompletionSource<MemoryPlan> _memory = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<NodeEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _over = new();
    private readonly Task _listening;
    private readonly Task _speaking;
    private readonly IDisposable[] _calls;
    private readonly Timer _timer;
    private readonly Func<CancellationToken, AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer>> _openProfile;
    private volatile NodeWindow? _window;
    private long _heard = Stopwatch.GetTimestamp();

    /// <param name="control">Welcomed by node 0.</param>
    public HeadLink(EngineOptions options, NodeTiming timing, AsyncDuplexStreamingCall<NodeMessage, HeadMessage> control,
        AsyncDuplexStreamingCall<StageTensor, StageTensor> tensors, Func<CancellationToken, AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer>> openProfile)
    {
        _options = options;
        _openProfile = openProfile;
        _timing = timing;
        _calls = [control, tensors];
        _listening = PumpAsync(() => ReadControlAsync(control.ResponseStream), isLast: true);
        _speaking = PumpAsync(() => WriteAsync(_control, control.RequestStream), isLast: false);
        _ = PumpAsync(() => WriteAsync(_tensors, tensors.RequestStream), isLast: false);
        _ = PumpAsync(() => ReadAsync(tensors.ResponseStream, Handle), isLast: false);
        _timer = new Timer(_ => Look(), null, timing.Beat, timing.Beat / 2);
    }

    public NodeLayout Layout => _options.Layout;

    public int Rank => _options.NodeRank;

    /// <summary>Node 0's farewell, or that it is lost.</summary>
    public Task<NodeEnd> Ended => _ended.Task;

    /// <summary>This node's ranks of a replica take its steps from now on.</summary>
    public void Serve(int replica, RankGroup ranks, GrammarStore grammars, NodeWindow window) =>
        _parts[replica] = new ReplicaPart(replica, ranks, _groups[replica], grammars, window, Layout.NodeOf(replica, Layout.PpSize - 1) == Rank, _options.MaxStepsInFlight, _control.Post);

    /// <summary>Windows of this node's ranks begin and end as node 0 says.</summary>
    public void Profile(NodeWindow window) => _window = window;

    public void SayLoaded() => _control.Post(new NodeMessage { Loaded = new Loaded() });

    /// <summary>The last word; completes when it has been written, or has taken too long.</summary>
    public async Task SayFailureAsync(string reason)
    {
        _control.Post(new NodeMessage { Failure = new Failure { Reason = reason } });
        _control.Close();
        await Task.WhenAny(_speaking, Task.Delay(TimeSpan.FromSeconds(2))).ConfigureAwait(false);
        // Node 0 answers with the end of the stream.
        await Task.WhenAny(Ended, Task.Delay(s_patience)).ConfigureAwait(false);
    }

    public void Attach(int replica, ReplicaGroups groups) => _groups[replica] = groups;

    public MemoryPlan Agree(MemoryPlan own)
    {
        _control.Post(new NodeMessage { Memory = PlanMessages.Of(own) });
        return _memory.Task.GetAwaiter().GetResult();
    }

    public void WaitUntilLoaded()
    {
    }

    public IRankChannel ChannelTo(int node, int replica, int maxSamples) => throw new InvalidOperationException("only node 0 runs steps on other nodes");

    public void Send(in StageMessage message) => _tensors.Post(NodeTransport.Of(message));

    public void Abort(int replica, string reason)
    {
    }

    public void Reset(int replica)
    {
    }

    /// <summary>Ends the ranks, waiting for a step under way.</summary>
    public void EndRanks()
    {
        _window?.Abandon();
        foreach (ReplicaPart part in _parts.Values) part.End($"node {Rank} is ending");
    }

    public void Dispose()
    {
        _timer.Dispose();
        _over.Cancel();
        foreach (IDisposable call in _calls) call.Dispose();
    }

    /// <param name="isLast">The stream that a farewell comes over: what breaks elsewhere at the end waits for it.</param>
    private Task PumpAsync(Func<Task> run, bool isLast) => Task.Run(async () =>
    {
        try
        {
            await run().ConfigureAwait(false);
        }
        catch (Exception error) when (error is RpcException or IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            if (!isLast) await Task.WhenAny(_listening, Task.Delay(s_patience)).ConfigureAwait(false);
            End(new NodeEnd(1, "node 0 is lost: the connection to it ended"));
        }
    });

    private async Task WriteAsync<T>(Outbox<T> outbox, IClientStreamWriter<T> writer)
    {
        await outbox.RunAsync(writer.WriteAsync, _over.Token).ConfigureAwait(false);
        await writer.CompleteAsync().ConfigureAwait(false);
    }

    private async Task ReadAsync<T>(IAsyncStreamReader<T> reader, Action<T> handle)
    {
        while (await reader.MoveNext(_over.Token).ConfigureAwait(false))
        {
            Volatile.Write(ref _heard, Stopwatch.GetTimestamp());
            handle(reader.Current);
        }
    }

    /// <summary>Its end is node 0's; a farewell comes first.</summary>
    private async Task ReadControlAsync(IAsyncStreamReader<HeadMessage> reader)
    {
        await ReadAsync(reader, Handle).ConfigureAwait(false);
        End(new NodeEnd(1, "node 0 has closed the connection"));
    }

    private void Handle(HeadMessage message)
    {
        switch (message.KindCase)
        {
            case HeadMessage.KindOneofCase.Memory:
                _memory.TrySetResult(PlanMessages.PlanOf(message.Memory));
                break;
            case HeadMessage.KindOneofCase.Step:
                if (_parts.TryGetValue(message.Step.Replica, out ReplicaPart? stepped)) stepped.Post(message);
                break;
            case HeadMessage.KindOneofCase.Reset:
                if (_parts.TryGetValue(message.Reset.Replica, out ReplicaPart? reset)) reset.Post(message);
                break;
            case HeadMessage.KindOneofCase.Abort:
                if (_groups.TryGetValue(message.Abort.Replica, out ReplicaGroups? groups)) groups.Abort(message.Abort.Reason);
                break;
            case HeadMessage.KindOneofCase.ProfileBegin:
                _window?.Begin(ProfileMessages.Of(message.ProfileBegin));
                break;
            case HeadMessage.KindOneofCase.ProfileEnd:
                EndProfile(message.ProfileEnd);
                break;
            case HeadMessage.KindOneofCase.Stop:
                End(new NodeEnd(message.Stop.IsFailure ? 1 : 0, message.Stop.Reason));
                break;
        }
    }

    private void EndProfile(ProfileEnd end)
    {
        if (_window is not { } window) return;
        if (!end.IsWanted) window.Abandon();
        else window.End(ProfileMessages.Of(end), result => ProfileSender.Send(_openProfile, end.Window, result, _over.Token));
    }

    private void Handle(StageTensor tensor)
    {
        if (_groups.TryGetValue(tensor.Replica, out ReplicaGroups? groups)) groups.Deliver(NodeTransport.Of(tensor));
    }

    private void Look()
    {
        _control.Post(NodeTransport.AliveFromNode);
        if (Stopwatch.GetElapsedTime(Volatile.Read(ref _heard)) > _timing.Limit)
            End(new NodeEnd(1, $"node 0 is lost: nothing has been heard of it for {_timing.Limit.TotalSeconds:0.#} s"));
    }

    /// <summary>Whoever waits for node 0 need not any more.</summary>
    private void End(NodeEnd end)
    {
        if (!_ended.TrySetResult(end)) return;
        // Node 0 waits for this after a farewell, lest the connection goes before the farewell has come.
        _control.Close();
        _tensors.Close();
        if (_memory.TrySetException(new EngineStartException(end.Reason))) _ = _memory.Task.Exception;
        foreach (ReplicaGroups groups in _groups.Values) groups.Abort(end.Reason);
    }
}
