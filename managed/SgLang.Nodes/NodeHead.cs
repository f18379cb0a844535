using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>
/// Node 0's side: listens on --dist-init-addr, waits for the other nodes, and gives the engine their ranks. A node that is not heard for a
/// while, or whose connection ends, is lost for good: the steps it had a part in fail, replicas without it go on.
/// </summary>
public sealed partial class NodeHead : INodes, IAsyncDisposable
{
    internal const string RankHeader = "sgl-node";

    private readonly EngineOptions _options;
    private readonly NodeLayout _layout;
    private readonly NodeTiming _timing;
    private readonly ILogger _log;
    private readonly Dictionary<string, string> _settings;
    private readonly NodePeer[] _peers; // [node - 1]
    private readonly ConcurrentDictionary<int, ReplicaGroups> _groups = [];
    private readonly NodeProfiles _profiles;
    private readonly TimeSpan _patience;
    private WebApplication? _app;
    private Timer? _timer;
    private volatile bool _isOver;
    private (string Reason, bool IsFailure) _farewell = ("node 0 has shut down", false);

    private NodeHead(EngineOptions options, ILogger log, NodeTiming timing)
    {
        _options = options;
        _layout = options.Layout;
        _log = log;
        _timing = timing;
        _settings = NodeSettings.Of(options);
        _patience = TimeSpan.FromSeconds(options.DistTimeoutSeconds);
        _peers = [.. Enumerable.Range(1, options.NumNodes - 1).Select(rank => new NodePeer(rank))];
        _profiles = new NodeProfiles(_peers, _patience);
    }

    /// <summary>Where it listens.</summary>
    public string Address { get; private set; } = "";

    NodeLayout INodes.Layout => _layout;

    int INodes.Rank => 0;

    INodeProfiles INodes.Profiles => _profiles;

    internal NodeProfiles Profiles => _profiles;

    /// <exception cref="EngineStartException">The layout cannot be, or the address cannot be listened on.</exception>
    public static Task<NodeHead> StartAsync(EngineOptions options, ILogger log) => StartAsync(options, log, NodeTiming.Default);

    internal static async Task<NodeHead> StartAsync(EngineOptions options, ILogger log, NodeTiming timing)
    {
        if (options.Layout.Refusal is { } refusal) throw new EngineStartException(refusal);
        NodeAddress address = NodeAddress.Parse(options.DistInitAddress);
        IPAddress ip = await address.ResolveAsync().ConfigureAwait(false);
        NodeHead head = new(options, log, timing);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddSingleton(head);
        builder.Services.AddGrpc(grpc =>
        {
            // A chunk of a prompt is many hidden states.
            grpc.MaxReceiveMessageSize = null;
            grpc.MaxSendMessageSize = null;
        });
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.Http2.InitialConnectionWindowSize = NodeTransport.WindowBytes;
            kestrel.Limits.Http2.InitialStreamWindowSize = NodeTransport.WindowBytes;
            kestrel.Listen(ip, address.Port, listen => listen.Protocols = HttpProtocols.Http2);
        });
        WebApplication app = builder.Build();
        app.MapGrpcService<NodeLinkService>();
        try
        {
            await app.StartAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw new EngineStartException($"--dist-init-addr: node 0 cannot listen on {address}: {error.Message}", error);
        }
        head._app = app;
        head.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Authority;
        head._timer = new Timer(_ => head.Look(), null, timing.Beat, timing.Beat / 2);
        Log.Waiting(log, options.NumNodes, head.Address);
        return head;
    }

    /// <summary>As <see cref="InferenceEngine.Start(EngineOptions, Action{string, long, long}?, ILogger?)"/>, with the ranks of all nodes. Ends before this does.</summary>
    public InferenceEngine StartEngine(Action<string, long, long>? progress, ILogger? logger)
    {
        try
        {
            return InferenceEngine.Start(_options, progress, logger, this);
        }
        catch (Exception error)
        {
            _farewell = ($"node 0 could not start: {error.Message}", true);
            throw;
        }
    }

    /// <summary>The other nodes are told to end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isOver) return;
        _isOver = true;
        if (_timer is not null) await _timer.DisposeAsync().ConfigureAwait(false);
        foreach (NodePeer peer in _peers)
        {
            peer.Control.Post(new HeadMessage { Stop = new Stop { Reason = _farewell.Reason, IsFailure = _farewell.IsFailure } });
            peer.Control.Close();
            peer.Tensors.Close();
        }
        if (_app is not null)
        {
            // Time for the farewell to be written and the nodes to hang up.
            using CancellationTokenSource limit = new(TimeSpan.FromSeconds(2));
            await _app.StopAsync(limit.Token).ConfigureAwait(false);
            await _app.DisposeAsync().ConfigureAwait(false);
        }
        foreach (NodePeer peer in _peers) peer.Dispose();
    }

    void INodes.Attach(int replica, ReplicaGroups groups) => _groups[replica] = groups;

    MemoryPlan INodes.Agree(MemoryPlan own)
    {
        MemoryPlan smallest = own;
        foreach (NodePeer peer in _peers)
        {
            WaitFor(peer);
            smallest = PlanMessages.Smallest(smallest, peer.Memory.GetAwaiter().GetResult());
        }
        foreach (NodePeer peer in _peers) peer.Control.Post(new HeadMessage { Memory = PlanMessages.Of(smallest) });
        return smallest;
    }

    void INodes.WaitUntilLoaded()
    {
        foreach (NodePeer peer in _peers) peer.Loaded.GetAwaiter().GetResult();
    }

    IRankChannel INodes.ChannelTo(int node, int replica, int maxSamples) => _peers[node - 1].ChannelTo(replica, maxSamples);

    void INodes.Send(in StageMessage message) => PeerOf(message.Replica, message.To).Tensors.Post(NodeTransport.Of(message));

    void INodes.Abort(int replica, string reason)
    {
        foreach (int node in _layout.NodesOf(replica))
            if (node != 0) _peers[node - 1].Control.Post(new HeadMessage { Abort = new Abort { Replica = replica, Reason = reason } });
    }

    void INodes.Reset(int replica)
    {
        foreach (int node in _layout.NodesOf(replica))
            if (node != 0) _peers[node - 1].Control.Post(new HeadMessage { Reset = new Reset { Replica = replica } });
    }

    /// <summary>The peer of a node that says hello; null with the reason when it cannot join.</summary>
    internal NodePeer? TryConnect(Hello hello, Metadata headers, string address, out string refusal)
    {
        // What a stranger says is not looked at.
        refusal = RefusalOf(headers) ?? "";
        if (refusal.Length == 0 && (hello.NodeRank < 1 || hello.NodeRank >= _options.NumNodes))
            refusal = $"--node-rank must be in [1, {_options.NumNodes - 1}] besides node 0, got {hello.NodeRank}";
        if (refusal.Length == 0) refusal = NodeSettings.Difference(_settings, hello.Settings, hello.NodeRank) ?? "";
        if (refusal.Length == 0 && !_peers[hello.NodeRank - 1].TryConnect()) refusal = $"a node with --node-rank {hello.NodeRank} has come before; a lost node can come back only with a restart of all";
        if (refusal.Length > 0)
        {
            Log.Refused(_log, address, refusal);
            return null;
        }
        Log.Joined(_log, hello.NodeRank, address);
        return _peers[hello.NodeRank - 1];
    }

    internal string? RefusalOf(Metadata headers) => NodeToken.Refusal(headers, _options.NodeToken);

    internal NodePeer? PeerOf(string? rank) => int.TryParse(rank, out int node) && node >= 1 && node < _options.NumNodes ? _peers[node - 1] : null;

    internal void Handle(NodePeer peer, NodeMessage message)
    {
        peer.Heard();
        switch (message.KindCase)
        {
            case NodeMessage.KindOneofCase.Memory:
                peer.Take(message.Memory);
                break;
            case NodeMessage.KindOneofCase.Loaded:
                peer.HasLoaded();
                break;
            case NodeMessage.KindOneofCase.Failure:
                Lose(peer, $"node {peer.Rank}: {message.Failure.Reason}");
                break;
            case NodeMessage.KindOneofCase.Result:
                // The other ranks of the replica wait for what this one did not send.
                if (message.Result.Error is { } error && _groups.TryGetValue(message.Result.Replica, out ReplicaGroups? groups)) groups.Abort(error.Message);
                peer.Take(message.Result);
                break;
        }
    }

    internal void Handle(NodePeer peer, StageTensor tensor)
    {
        peer.Heard();
        if (_layout.NodeOf(tensor.Replica, tensor.ToStage) != 0) PeerOf(tensor.Replica, tensor.ToStage).Tensors.Post(tensor);
        else if (_groups.TryGetValue(tensor.Replica, out ReplicaGroups? groups)) groups.Deliver(NodeTransport.Of(tensor));
    }

    /// <summary>Nothing more is expected of a node.</summary>
    internal void Lose(NodePeer peer, string reason)
    {
        if (_isOver || !peer.TryLose(reason)) return;
        Log.Lost(_log, reason);
        foreach ((int replica, ReplicaGroups groups) in _groups)
            if (_layout.NodesOf(replica).Contains(peer.Rank)) groups.Abort(reason);
    }

    private NodePeer PeerOf(int replica, int stage) => _peers[_layout.NodeOf(replica, stage) - 1];

    private void WaitFor(NodePeer peer)
    {
        if (!peer.Connected.Wait(_patience))
            throw new EngineStartException($"Node {peer.Rank} of {_options.NumNodes} has not come to {Address} within {_options.DistTimeoutSeconds} s (--dist-timeout): " +
                                           $"start it with the same options and --node-rank {peer.Rank}.");
    }

    private void Look()
    {
        foreach (NodePeer peer in _peers)
        {
            if (!peer.Connected.IsCompletedSuccessfully || peer.Lost is not null) continue;
            peer.Control.Post(NodeTransport.AliveFromHead);
            if (peer.Silence > _timing.Limit) Lose(peer, $"node {peer.Rank} is lost: nothing has been heard of it for {_timing.Limit.TotalSeconds:0.#} s");
        }
    }

    /// <summary>Signals are the program's business, not the web host's.</summary>
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Node 0 of {NumNodes} waits for the others on {Address:l}")]
        public static partial void Waiting(ILogger logger, int numNodes, string address);

        [LoggerMessage(Level = LogLevel.Information, Message = "Node {Rank} has joined from {Address:l}")]
        public static partial void Joined(ILogger logger, int rank, string address);

        [LoggerMessage(Level = LogLevel.Warning, Message = "A node from {Address:l} is refused: {Reason:l}")]
        public static partial void Refused(ILogger logger, string address, string reason);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Reason:l}")]
        public static partial void Lost(ILogger logger, string reason);
    }
}
