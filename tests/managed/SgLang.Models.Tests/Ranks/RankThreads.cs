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
        int tp = places[0].TpSize, pp = places[0].PpSize;
        CommGroup[] tensorGroups = [.. Enumerable.Range(0, pp).Select(_ => new CommGroup(DeviceKind.Cpu, tp, s_timeout))];
        CommGroup[] pipelineGroups = [.. Enumerable.Range(0, tp).Select(_ => new CommGroup(DeviceKind.Cpu, pp, s_timeout))];
        Exception?[] failures = new Exception?[places.Length];
        Thread[] threads = [.. places.Select((place, i) => new Thread(() =>
        {
            try
            {
                using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
                using RankCommunicators ranks = new(place, tp > 1 ? new Communicator(device, tensorGroups[place.PpRank], place.TpRank) : null,
                    pp > 1 ? new Communicator(device, pipelineGroups[place.TpRank], place.PpRank) : null);
                body(device, ranks);
            }
            catch (Exception error)
            {
                failures[i] = error;
                foreach (CommGroup group in (CommGroup[])[.. tensorGroups, .. pipelineGroups]) group.Abort(error.Message);
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        foreach (CommGroup group in (CommGroup[])[.. tensorGroups, .. pipelineGroups]) group.Dispose();
        // The first to fail is the one whose message is not about the others' abort.
        Exception? cause = failures.FirstOrDefault(failure => failure is not null and not Interop.SglException) ?? failures.FirstOrDefault(failure => failure is not null);
        if (cause is not null) ExceptionDispatchInfo.Throw(cause);
    }
}
