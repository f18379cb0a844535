using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// The groups that the ranks of one replica meet in: for each stage its tensor ranks, for each tensor rank its stages. Where the replica is
/// spread over nodes, they are told of aborts and resets too. Thread safe.
/// </summary>
internal sealed class ReplicaGroups : IDisposable
{
    private readonly CommGroup[] _tensor; // [stage]
    private readonly CommGroup[] _pipeline; // [tensor rank]
    private readonly StageExchange? _stages;
    private readonly INodes? _nodes;
    private readonly int _replica;
    private int _isAborted;

    /// <param name="nodes">Null when all ranks are on this node.</param>
    public ReplicaGroups(DeviceKind kind, int tpSize, int ppSize, TimeSpan timeout, int replica = 0, INodes? nodes = null, bool allowSharedDevice = false,
        bool disablePeerKernels = false)
    {
        _replica = replica;
        _nodes = nodes;
        if (ppSize > 1 && nodes is not null && nodes.Layout.IsSpread(replica)) _stages = new StageExchange(replica, nodes.Rank, nodes, timeout);
        _tensor = tpSize == 1 ? [] : Make(ppSize, tpSize);
        _pipeline = ppSize == 1 || _stages is not null ? [] : Make(tpSize, ppSize);

        CommGroup[] Make(int count, int numRanks)
        {
            CommGroup[] groups = new CommGroup[count];
            for (int i = 0; i < count; i++) groups[i] = new CommGroup(kind, numRanks, timeout, allowSharedDevice, disablePeerKernels);
            return groups;
        }
    }

    /// <summary>On the rank's thread. Null for a rank alone.</summary>
    public RankCommunicators? Connect(RankPlace place, DeviceContext device)
    {
        if (place.WorldSize == 1) return null;
        Communicator? tensor = null;
        try
        {
            tensor = place.TpSize > 1 ? new Communicator(device, _tensor[place.PpRank], place.TpRank, "tp") : null;
            return new RankCommunicators(place, tensor, place.PpSize > 1 ? LinkStages(place, device) : null);
        }
        catch
        {
            tensor?.Dispose();
            throw;
        }
    }

    /// <summary>A tensor from a stage on another node.</summary>
    public void Deliver(in StageMessage message) => _stages?.Deliver(message);

    /// <summary>A rank cannot go on: no other waits for it.</summary>
    public void Abort(string reason)
    {
        foreach (CommGroup group in _tensor) group.Abort(reason);
        foreach (CommGroup group in _pipeline) group.Abort(reason);
        _stages?.Abort(reason);
        if (Interlocked.Exchange(ref _isAborted, 1) == 0) _nodes?.Abort(_replica, reason);
    }

    /// <summary>When no rank is at work.</summary>
    public void Reset()
    {
        foreach (CommGroup group in _tensor) group.Reset();
        foreach (CommGroup group in _pipeline) group.Reset();
        _stages?.Reset();
        Volatile.Write(ref _isAborted, 0);
        _nodes?.Reset(_replica);
    }

    public void Dispose()
    {
        foreach (CommGroup group in _tensor) group.Dispose();
        foreach (CommGroup group in _pipeline) group.Dispose();
    }

    private IPeerLink LinkStages(RankPlace place, DeviceContext device) =>
        _stages?.Connect(place, device) ?? new Communicator(device, _pipeline[place.TpRank], place.PpRank, "pp");
}
