using System.Collections.Concurrent;
using Grpc.Core;
using SgLang.Engine;
using SgLang.Nodes.Wire;
using SgLang.Profiling;

namespace SgLang.Nodes;

/// <summary>The windows of other nodes' ranks, as node 0 begins and ends them, and their files as they come.</summary>
internal sealed class NodeProfiles(NodePeer[] peers, TimeSpan patience) : INodeProfiles
{
    private readonly ConcurrentDictionary<(long Window, int Node), Arrival> _arrivals = [];

    public void Begin(long window, ProfileOptions options)
    {
        foreach (NodePeer peer in peers) peer.Control.Post(new HeadMessage { ProfileBegin = ProfileMessages.Of(window, options) });
    }

    public void Drop(long window)
    {
        foreach (NodePeer peer in peers) peer.Control.Post(new HeadMessage { ProfileEnd = new ProfileEnd { Window = window } });
    }

    public NodeProfileFiles[] Collect(long window, ProfileResult result, string directory)
    {
        Arrival[] arrivals = [.. peers.Select(peer => _arrivals[(window, peer.Rank)] = new Arrival(peer, directory, patience))];
        foreach (NodePeer peer in peers) peer.Control.Post(new HeadMessage { ProfileEnd = ProfileMessages.Of(window, result) });
        NodeProfileFiles[] files = [.. arrivals.Select(arrival => arrival.Wait())];
        foreach (NodePeer peer in peers) _arrivals.TryRemove((window, peer.Rank), out _);
        return files;
    }

    /// <summary>A node's call, from its questions for the clock to its last file.</summary>
    public async Task ServeAsync(NodePeer peer, IAsyncStreamReader<ProfileMessage> reader, IServerStreamWriter<ClockAnswer> writer, CancellationToken over)
    {
        Arrival? arrival = null;
        try
        {
            while (await reader.MoveNext(over).ConfigureAwait(false))
            {
                long received = TraceClock.NowNanoseconds();
                peer.Heard();
                ProfileMessage message = reader.Current;
                // From the first question on, so that a call which ends early is not waited for.
                if (!_arrivals.TryGetValue((message.Window, peer.Rank), out arrival)) throw new RpcException(new Status(StatusCode.FailedPrecondition, "nobody waits for this profile"));
                if (message.KindCase == ProfileMessage.KindOneofCase.ClockQuestion)
                {
                    await writer.WriteAsync(new ClockAnswer { Received = received, Answered = TraceClock.NowNanoseconds() }, over).ConfigureAwait(false);
                    continue;
                }
                if (message.KindCase == ProfileMessage.KindOneofCase.Part) arrival.Take(message.Part);
                else arrival.Finish(message.Done);
            }
        }
        finally
        {
            // After the last word this changes nothing.
            arrival?.Fail("it stopped sending its files");
        }
    }

    /// <summary>One node's files of one window. Written by its call, waited for by the profiler's thread.</summary>
    private sealed class Arrival(NodePeer peer, string directory, TimeSpan patience)
    {
        private readonly TaskCompletionSource<NodeProfileFiles> _whole = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<string> _paths = [];
        private FileStream? _file;
        private long _heard = Environment.TickCount64;

        public void Take(ProfilePart part)
        {
            Volatile.Write(ref _heard, Environment.TickCount64);
            try
            {
                // A name, never a path.
                string path = Path.Combine(directory, Path.GetFileName(part.File));
                _file ??= new FileStream(path + ".part", FileMode.Create, FileAccess.Write, FileShare.None, 0);
                part.Data.WriteTo(_file);
                if (!part.IsLast) return;
                _file.Dispose();
                _file = null;
                File.Move(path + ".part", path, overwrite: true);
                _paths.Add(path);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                Fail($"its files cannot be written here: {error.Message}");
                throw new RpcException(new Status(StatusCode.Aborted, error.Message));
            }
        }

        public void Finish(ProfileDone done) => _whole.TrySetResult(new NodeProfileFiles(
            peer.Rank, _paths, new ClockOffset(done.ClockAheadNs, done.ClockErrorNs), done.RecordsDropped, done.Error.Length > 0 ? done.Error : null));

        public void Fail(string reason)
        {
            string? unfinished = _file?.Name;
            _file?.Dispose();
            _file = null;
            if (unfinished is not null) File.Delete(unfinished);
            _whole.TrySetResult(new NodeProfileFiles(peer.Rank, _paths, null, 0, reason));
        }

        /// <summary>Until all is there, the node is lost, or nothing has come for a while.</summary>
        public NodeProfileFiles Wait()
        {
            Volatile.Write(ref _heard, Environment.TickCount64);
            while (!_whole.Task.Wait(TimeSpan.FromMilliseconds(50)))
            {
                if (peer.Lost is { } lost) return Without(lost.Message);
                if (Environment.TickCount64 - Volatile.Read(ref _heard) > patience.TotalMilliseconds) return Without($"it has sent no files for {patience.TotalSeconds:0} s");
            }
            return _whole.Task.Result;

            NodeProfileFiles Without(string reason)
            {
                // What comes from now on is not taken.
                _whole.TrySetResult(new NodeProfileFiles(peer.Rank, [], null, 0, reason));
                return _whole.Task.Result;
            }
        }
    }
}
