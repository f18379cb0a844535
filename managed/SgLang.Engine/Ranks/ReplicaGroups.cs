using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// The groups that the ranks of one replica meet in: for each stage its tensor ranks, for each tensor rank its stages. Where the replica is
/// spread over nodes, they are told of aborts and resets too. Replicas that share ranks share these groups. Thread safe.
/// </summary>
internal sealed class ReplicaGroups : IDisposable
{
    private readonly CommGroup[] _tensor; // [stage], or [replica] where those share ranks
    private readonly CommGroup[] _attentionPeers = []; // [rank of a replica]
    private readonly CommGroup[] _pipeline; // [tensor rank]
    private readonly StageExchange? _stages;
    private readonly INodes? _nodes;
    private readonly int _replica;
    private int _isAborted;
    private int _numUsers = 1;

    /// <param name="nodes">Null when all ranks are on this node.</param>
    public ReplicaGroups(DeviceKind kind, int tpSize, int ppSize, TimeSpan timeout, int replica = 0, INodes? nodes = null, bool allowSharedDevice = false,
        bool disablePeerKernels = false)
    {
        _replica = replica;
        _nodes = nodes;
        if (ppSize > 1 && nodes is not null && nodes.Layout.IsSpread(replica)) _stages = new StageExchange(replica, nodes.Rank, nodes, timeout);
        _tensor = tpSize == 1 ? [] : Make(ppSize, tpSize);
        _pipeline = ppSize == 1 || _stages is not null ? [] : Make(tpSize, ppSize);

        CommGroup[] Make(int count, int numRanks) => MakeGroups(kind, count, numRanks, timeout, allowSharedDevice, disablePeerKernels);
    }

    /// <summary>Of all replicas of a world where they share ranks; each disposes it.</summary>
    public ReplicaGroups(DeviceKind kind, RankPlace place, TimeSpan timeout, bool allowSharedDevice, bool disablePeerKernels)
    {
        _numUsers = place.DpSize;
        _tensor = place.AttentionTpSize == 1 ? [] : MakeGroups(kind, place.DpSize, place.AttentionTpSize, timeout, allowSharedDevice, disablePeerKernels);
        _attentionPeers = MakeGroups(kind, place.AttentionTpSize, place.DpSize, timeout, allowSharedDevice, disablePeerKernels);
        _pipeline = [];
    }

    /// <summary>On the rank's thread. Null for a rank alone.</summary>
    public RankCommunicators? Connect(RankPlace place, DeviceContext device)
    {
        if (place.WorldSize == 1) return null;
        Communicator? tensor = null, peers = null;
        try
        {
            tensor = place.AttentionTpSize > 1
                ? new Communicator(device, _tensor[place.AttentionDpSize > 1 ? place.DpRank : place.PpRank], place.AttentionTpRank, "tp") : null;
            peers = place.AttentionDpSize > 1 ? new Communicator(device, _attentionPeers[place.AttentionTpRank], place.AttentionDpRank, "attn_dp") : null;
            return new RankCommunicators(place, tensor, place.PpSize > 1 ? LinkStages(place, device) : null, peers);
        }
        catch
        {
            tensor?.Dispose();
            peers?.Dispose();
            throw;
        }
    }

    /// <summary>A tensor from a stage on another node.</summary>
    public void Deliver(in StageMessage message) => _stages?.Deliver(message);

    /// <summary>A rank cannot go on: no other waits for it.</summary>
    public void Abort(string reason)
    {
        foreach (CommGroup group in _tensor) group.Abort(reason);
        foreach (CommGroup group in _attentionPeers) group.Abort(reason);
        foreach (CommGroup group in _pipeline) group.Abort(reason);
        _stages?.Abort(reason);
        if (Interlocked.Exchange(ref _isAborted, 1) == 0) _nodes?.Abort(_replica, reason);
    }

    /// <summary>When no rank is at work.</summary>
    public void Reset()
    {
        foreach (CommGroup group in _tensor) group.Reset();
        foreach (CommGroup group in _attentionPeers) group.Reset();
        foreach (CommGroup group in _pipeline) group.Reset();
        _stages?.Reset();
        Volatile.Write(ref _isAborted, 0);
        _nodes?.Reset(_replica);
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _numUsers) > 0) return;
        foreach (CommGroup group in _tensor) group.Dispose();
        foreach (CommGroup group in _attentionPeers) group.Dispose();
        foreach (CommGroup group in _pipeline) group.Dispose();
    }

    private static CommGroup[] MakeGroups(DeviceKind kind, int count, int numRanks, TimeSpan timeout, bool allowSharedDevice, bool disablePeerKernels)
    {
        CommGroup[] groups = new CommGroup[count];
        for (int i = 0; i < count; i++) groups[i] = new CommGroup(kind, numRanks, timeout, allowSharedDevice, disablePeerKernels);
        return groups;
    }

    private IPeerLink LinkStages(RankPlace place, DeviceContext device) =>
        _stages?.Connect(place, device) ?? new Communicator(device, _pipeline[place.TpRank], place.PpRank, "pp");
}
