using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// The groups that the ranks of one replica meet in: for each stage its tensor ranks, for each tensor rank its stages. Thread safe.
/// </summary>
internal sealed class ReplicaGroups : IDisposable
{
    private readonly CommGroup[] _tensor; // [stage]
    private readonly CommGroup[] _pipeline; // [tensor rank]

    public ReplicaGroups(DeviceKind kind, int tpSize, int ppSize, TimeSpan timeout)
    {
        _tensor = tpSize == 1 ? [] : Make(ppSize, tpSize);
        _pipeline = ppSize == 1 ? [] : Make(tpSize, ppSize);

        CommGroup[] Make(int count, int numRanks)
        {
            CommGroup[] groups = new CommGroup[count];
            for (int i = 0; i < count; i++) groups[i] = new CommGroup(kind, numRanks, timeout);
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
            return new RankCommunicators(place, tensor, place.PpSize > 1 ? new Communicator(device, _pipeline[place.TpRank], place.PpRank, "pp") : null);
        }
        catch
        {
            tensor?.Dispose();
            throw;
        }
    }

    /// <summary>A rank cannot go on: no other waits for it.</summary>
    public void Abort(string reason)
    {
        foreach (CommGroup group in _tensor) group.Abort(reason);
        foreach (CommGroup group in _pipeline) group.Abort(reason);
    }

    /// <summary>When no rank is at work.</summary>
    public void Reset()
    {
        foreach (CommGroup group in _tensor) group.Reset();
        foreach (CommGroup group in _pipeline) group.Reset();
    }

    public void Dispose()
    {
        foreach (CommGroup group in _tensor) group.Dispose();
        foreach (CommGroup group in _pipeline) group.Dispose();
    }
}
