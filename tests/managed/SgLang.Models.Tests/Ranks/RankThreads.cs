using System.Runtime.ExceptionServices;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Ranks;

/// <summary>All ranks of a replica on threads of their own, each with a device and communicators, running the same body.</summary>
internal static class RankThreads
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(60);

    public static void Run(RankPlace[] places, Action<DeviceContext, RankCommunicators> body)
    {
        int tp = places[0].TpSize, pp = places[0].PpSize, attentionTp = places[0].AttentionTpSize, attentionDp = places[0].AttentionDpSize;
        CommGroup[] tensorGroups = [.. Enumerable.Range(0, pp * attentionDp).Select(_ => new CommGroup(DeviceKind.Cpu, attentionTp, s_timeout))];
        CommGroup[] peerGroups = [.. Enumerable.Range(0, pp * attentionTp).Select(_ => new CommGroup(DeviceKind.Cpu, attentionDp, s_timeout))];
        CommGroup[] pipelineGroups = [.. Enumerable.Range(0, tp).Select(_ => new CommGroup(DeviceKind.Cpu, pp, s_timeout))];
        Exception?[] failures = new Exception?[places.Length];
        Thread[] threads = [.. places.Select((place, i) => new Thread(() =>
        {
            try
            {
                using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
                using RankCommunicators ranks = new(place, attentionTp > 1 ? new Communicator(device, tensorGroups[place.PpRank * attentionDp + place.AttentionDpRank], place.AttentionTpRank) : null,
                    pp > 1 ? new Communicator(device, pipelineGroups[place.TpRank], place.PpRank) : null,
                    attentionDp > 1 ? new Communicator(device, peerGroups[place.PpRank * attentionTp + place.AttentionTpRank], place.AttentionDpRank) : null);
                body(device, ranks);
            }
            catch (Exception error)
            {
                failures[i] = error;
                foreach (CommGroup group in (CommGroup[])[.. tensorGroups, .. peerGroups, .. pipelineGroups]) group.Abort(error.Message);
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        foreach (CommGroup group in (CommGroup[])[.. tensorGroups, .. peerGroups, .. pipelineGroups]) group.Dispose();
        // The first to fail is the one whose message is not about the others' abort.
        Exception? cause = failures.FirstOrDefault(failure => failure is not null and not Interop.SglException) ?? failures.FirstOrDefault(failure => failure is not null);
        if (cause is not null) ExceptionDispatchInfo.Throw(cause);
    }
}
