using System.Collections.Concurrent;
using System.Diagnostics;
using SgLang.Engine;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>Another node as node 0 sees it. Thread safe.</summary>
internal sealed class NodePeer(int rank) : IDisposable
{
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<MemoryPlan> _memory = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<int, RemoteRanks> _channels = [];
    private FatalDeviceException? _lost;
    private int _isTaken;
    private long _heard;

    public int Rank { get; } = rank;
    public Outbox<HeadMessage> Control { get; } = new();
    public Outbox<StageTensor> Tensors { get; } = new();

    /// <summary>Set once.</summary>
    public FatalDeviceException? Lost => Volatile.Read(ref _lost);

    /// <summary>Cancelled when it is lost: its streams end.</summary>
    public CancellationToken Over => _over.Token;
    public Task Connected => _connected.Task;
    public Task<MemoryPlan> Memory => _memory.Task;
    public Task Loaded => _loaded.Task;

    /// <summary>Since anything came.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Volatile.Read(ref _heard));

    /// <summary>False when a node of this rank has come before.</summary>
    public bool TryConnect()
    {
        if (Interlocked.Exchange(ref _isTaken, 1) != 0) return false;
        Heard();
        _connected.TrySetResult();
        return true;
    }

    public void Heard() => Volatile.Write(ref _heard, Stopwatch.GetTimestamp());

    public RemoteRanks ChannelTo(int replica, int maxSamples) => _channels.GetOrAdd(replica, _ => new RemoteRanks(this, replica, maxSamples));

    public void Take(MemoryShare share) => _memory.TrySetResult(PlanMessages.PlanOf(share));

    public void HasLoaded() => _loaded.TrySetResult();

    public void Take(StepReport result)
    {
        if (_channels.TryGetValue(result.Replica, out RemoteRanks? channel)) channel.Arrive(result);
    }

    /// <summary>It will not answer any more. False when that was known.</summary>
    public bool TryLose(string reason)
    {
        if (Interlocked.CompareExchange(ref _lost, new FatalDeviceException(reason), null) is not null) return false;
        EngineStartException error = new(reason);
        // Without anybody waiting yet, a failed task is nobody's error.
        if (_memory.TrySetException(error)) _ = _memory.Task.Exception;
        if (_loaded.TrySetException(error)) _ = _loaded.Task.Exception;
        if (_connected.TrySetException(error)) _ = _connected.Task.Exception;
        foreach (RemoteRanks channel in _channels.Values) channel.Wake();
        _over.Cancel();
        return true;
    }

    public void Dispose() => _over.Dispose();
}
