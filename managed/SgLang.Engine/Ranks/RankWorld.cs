using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>Every rank of every replica, loaded side by side on threads of their own.</summary>
internal sealed record RankWorld
{
    /// <summary>Ranks of one replica each.</summary>
    public required RankGroup[] Replicas { get; init; }

    /// <summary>In the order of <see cref="RankPlace.All"/>.</summary>
    public required LoadedRank[] Ranks { get; init; }

    public static RankWorld Load(EngineOptions options, ModelConfig config, int contextLength, Action<string, long, long>? progress, Action<string> warn,
        EngineProfiler profiler)
    {
        RankPlace[] places = RankPlace.All(options.TpSize, options.PpSize, options.EpSize, options.DpSize);
        // Refused before a device is touched.
        foreach (RankPlace place in places) RankShare.Of(config, place);
        RankDevices devices = RankDevices.Assign(options, places.Length);
        Dictionary<int, DeviceInfo> infos = devices.Ordinals.Distinct().ToDictionary(ordinal => ordinal, ordinal => DeviceContext.GetInfo(devices.Kind, ordinal));
        int threads = ThreadsOfEach(options.NumThreads, infos[devices.Ordinals[0]], places.Length);
        ReplicaGroups[] groups = new ReplicaGroups[options.DpSize];
        for (int i = 0; i < groups.Length; i++)
            groups[i] = new ReplicaGroups(devices.Kind, options.TpSize, options.PpSize, TimeSpan.FromSeconds(options.DistTimeoutSeconds));

        profiler.Places = new RankFileSet(places, places.Length == 1 ? "none" : devices.Kind == DeviceKind.Cpu ? "shared memory" : "nccl");
        LoadRendezvous rendezvous = new(devices.Ordinals);
        WorldProgress? loading = progress is null ? null : new WorldProgress(progress, places.Length);
        LoadedRank[] loaded = new LoadedRank[places.Length];
        RankThread[] ranks = new RankThread[places.Length];
        for (int i = 0; i < places.Length; i++)
        {
            int rank = i;
            RankPlace place = places[rank];
            ReplicaGroups own = groups[place.DpRank];
            RankSetup setup = new()
            {
                Place = place,
                Kind = devices.Kind,
                Ordinal = devices.Ordinals[rank],
                NumThreads = threads,
                Device = infos[devices.Ordinals[rank]],
                ShareMemory = input => rendezvous.Meet(rank, input),
                Connect = device => own.Connect(place, device),
            };
            ranks[rank] = new RankThread(RankFileSet.RankThreadName(rank), () =>
            {
                try
                {
                    Action<string, long, long>? report = loading is null ? null : (_, done, total) => loading.Report(rank, done, total);
                    loaded[rank] = LoadedRank.Load(options, config, contextLength, report, rank == 0 ? warn : static _ => { }, setup, profiler);
                    return loaded[rank].Runner;
                }
                catch (Exception error)
                {
                    rendezvous.Fail(error);
                    own.Abort(error.Message);
                    throw;
                }
            }, error => own.Abort(error.Message));
        }
        try
        {
            WaitUntilStarted(ranks);
        }
        catch
        {
            foreach (RankThread rank in ranks) rank.Stop();
            foreach (RankThread rank in ranks) rank.Dispose();
            foreach (ReplicaGroups group in groups) group.Dispose();
            throw;
        }
        int perReplica = options.TpSize * options.PpSize, maxSamples = loaded[0].Memory.MaxRunningRequests;
        return new RankWorld
        {
            Ranks = loaded,
            // Tokens are drawn on the last stage; all its ranks draw the same.
            Replicas = [.. groups.Select((group, i) => new RankGroup(ranks[(i * perReplica)..((i + 1) * perReplica)], maxSamples, group, perReplica - options.TpSize))],
        };
    }

    /// <summary>All of the CPU's threads in equal shares; 0, one for each core, where a rank has the machine or drives a GPU.</summary>
    internal static int ThreadsOfEach(int wanted, DeviceInfo device, int numRanks)
    {
        if (numRanks == 1 || device.Kind != DeviceKind.Cpu) return wanted;
        return Math.Max(1, (wanted == 0 ? device.NumProcessors : wanted) / numRanks);
    }

    /// <summary>Waits for all; throws the failure that made the others fail.</summary>
    private static void WaitUntilStarted(RankThread[] ranks)
    {
        List<Exception> failures = [];
        foreach (RankThread rank in ranks)
        {
            try
            {
                rank.WaitUntilStarted();
            }
            catch (Exception error)
            {
                failures.Add(error);
            }
        }
        if (failures.Count == 0) return;
        Exception cause = failures.FirstOrDefault(error => error is not LoadCancelledException) ?? failures[0];
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
    }

    /// <summary>One progress of several: reported once all know their totals.</summary>
    private sealed class WorldProgress(Action<string, long, long> report, int numRanks)
    {
        private readonly Lock _gate = new();
        private readonly long[] _done = new long[numRanks];
        private readonly long[] _total = new long[numRanks];
        private readonly bool[] _isKnown = new bool[numRanks];

        public void Report(int rank, long done, long total)
        {
            lock (_gate)
            {
                _done[rank] = done;
                _total[rank] = total;
                _isKnown[rank] = true;
                if (_isKnown.All(known => known)) report("Loading weights", _done.Sum(), _total.Sum());
            }
        }
    }
}
