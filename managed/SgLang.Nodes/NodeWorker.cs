using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>A node other than 0, from its hello to its exit code: it loads its ranks, runs node 0's steps, and ends with node 0.</summary>
public sealed partial class NodeWorker
{
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan s_patienceAtEnd = TimeSpan.FromSeconds(3);

    private readonly EngineOptions _options;
    private readonly ILogger _log;
    private readonly NodeTiming _timing;
    private volatile bool _isReady;

    public NodeWorker(EngineOptions options, ILogger log)
        : this(options, log, NodeTiming.Default)
    {
    }

    internal NodeWorker(EngineOptions options, ILogger log, NodeTiming timing)
    {
        _options = options;
        _log = log;
        _timing = timing;
    }

    /// <summary>Whether its ranks are loaded and node 0 is there.</summary>
    public bool IsReady => _isReady;

    /// <summary>0 when node 0 or <paramref name="stopping"/> said so, 1 when it could not start or node 0 failed or was lost; the reason is in the log.</summary>
    /// <exception cref="EngineStartException">It cannot load, node 0 is not to be found, or it refuses.</exception>
    public async Task<int> RunAsync(Action<string, long, long>? progress, CancellationToken stopping)
    {
        if (_options.Layout.Refusal is { } refusal) throw new EngineStartException(refusal);
        NodeAddress address = NodeAddress.Parse(_options.DistInitAddress);
        using SocketsHttpHandler handler = new() { InitialHttp2StreamWindowSize = NodeTransport.WindowBytes, ConnectTimeout = TimeSpan.FromSeconds(5), UseProxy = false };
        using GrpcChannel channel = GrpcChannel.ForAddress($"http://{address}", new GrpcChannelOptions { HttpHandler = handler, MaxReceiveMessageSize = null, MaxSendMessageSize = null });
        NodeLink.NodeLinkClient client = new(channel);
        AsyncDuplexStreamingCall<NodeMessage, HeadMessage> control = await JoinAsync(client, address, stopping).ConfigureAwait(false);
        Log.Joined(_log, _options.NodeRank, _options.NumNodes, address);
        Metadata headers = new() { { NodeHead.RankHeader, _options.NodeRank.ToString(CultureInfo.InvariantCulture) } };
        NodeToken.Add(headers, _options.NodeToken);
        using HeadLink link = new(_options, _timing, control, client.Tensors(headers), cancellation => client.Profile(headers, cancellationToken: cancellation));
        NodeEnd end = await ServeAsync(link, progress, stopping).ConfigureAwait(false);
        _isReady = false;
        Log.Ending(_log, _options.NodeRank, end.Reason);
        // A rank in the middle of a long step is not waited for: the process takes it along.
        await Task.WhenAny(Task.Run(link.EndRanks, CancellationToken.None), Task.Delay(s_patienceAtEnd, CancellationToken.None)).ConfigureAwait(false);
        return end.ExitCode;
    }

    private async Task<NodeEnd> ServeAsync(HeadLink link, Action<string, long, long>? progress, CancellationToken stopping)
    {
        Task<NodeEnd> stopped = WhenStopped(stopping);
        Task load = Task.Factory.StartNew(() =>
        {
            (RankWorld world, GrammarStore grammars, NodeWindow window) = EngineLoader.LoadNode(_options, progress, _log, link);
            link.Profile(window);
            for (int i = 0; i < world.Replicas.Length; i++) link.Serve(world.ReplicaIndices[i], world.Replicas[i], grammars, window);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.WhenAny(load, stopped, link.Ended).ConfigureAwait(false);
        if (!load.IsCompleted) return await await Task.WhenAny(link.Ended, stopped).ConfigureAwait(false);
        try
        {
            await load.ConfigureAwait(false);
        }
        catch (EngineStartException error)
        {
            // Node 0's own end also ends the loading.
            if (link.Ended.IsCompleted) return await link.Ended.ConfigureAwait(false);
            await link.SayFailureAsync(error.Message).ConfigureAwait(false);
            throw;
        }
        link.SayLoaded();
        _isReady = true;
        Log.Ready(_log, _options.NodeRank, _options.NumNodes);
        return await await Task.WhenAny(link.Ended, stopped).ConfigureAwait(false);
    }

    private static async Task<NodeEnd> WhenStopped(CancellationToken stopping)
    {
        TaskCompletionSource<NodeEnd> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = stopping.Register(() => stopped.TrySetResult(new NodeEnd(0, "told to end by a signal")));
        return await stopped.Task.ConfigureAwait(false);
    }

    /// <summary>A control stream that node 0 has welcomed; it may be started after this node.</summary>
    private async Task<AsyncDuplexStreamingCall<NodeMessage, HeadMessage>> JoinAsync(NodeLink.NodeLinkClient client, NodeAddress address, CancellationToken stopping)
    {
        Hello hello = new() { NodeRank = _options.NodeRank };
        foreach ((string name, string value) in NodeSettings.Of(_options)) hello.Settings.Add(name, value);
        Metadata headers = [];
        NodeToken.Add(headers, _options.NodeToken);
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            AsyncDuplexStreamingCall<NodeMessage, HeadMessage> call = client.Control(headers, cancellationToken: CancellationToken.None);
            string reason;
            try
            {
                await call.RequestStream.WriteAsync(new NodeMessage { Hello = hello }, stopping).ConfigureAwait(false);
                if (await call.ResponseStream.MoveNext(stopping).ConfigureAwait(false))
                {
                    if (call.ResponseStream.Current.KindCase == HeadMessage.KindOneofCase.Welcome) return call;
                    throw new EngineStartException($"Node 0 at {address} refuses this node: {call.ResponseStream.Current.Stop?.Reason}.");
                }
                reason = "it closed the connection";
            }
            catch (Exception error) when (error is RpcException or IOException && !stopping.IsCancellationRequested)
            {
                reason = error is RpcException { Status.Detail: { Length: > 0 } detail } ? detail : error.Message;
            }
            call.Dispose();
            if (Stopwatch.GetElapsedTime(started).TotalSeconds > _options.DistTimeoutSeconds)
                throw new EngineStartException($"Node 0 cannot be reached at {address} (--dist-init-addr) within {_options.DistTimeoutSeconds} s (--dist-timeout): {reason}");
            await Task.Delay(s_retry, stopping).ConfigureAwait(false);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Node {Rank} of {NumNodes} has joined node 0 at {Address}")]
        public static partial void Joined(ILogger logger, int rank, int numNodes, NodeAddress address);

        [LoggerMessage(Level = LogLevel.Information, Message = "Node {Rank} of {NumNodes} is ready")]
        public static partial void Ready(ILogger logger, int rank, int numNodes);

        [LoggerMessage(Level = LogLevel.Warning, Message = "Node {Rank} ends: {Reason:l}")]
        public static partial void Ending(ILogger logger, int rank, string reason);
    }
}
