using SgLang.Core;
using SgLang.Models;
using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>Every rank of every replica on this node, loaded side by side on threads of their own, and on node 0 the ways to the others.</summary>
internal sealed record RankWorld
{
    /// <summary>Ranks of one replica each: on node 0 of all replicas, elsewhere of those that have ranks here.</summary>
    public required RankGroup[] Replicas { get; init; }

    /// <summary>Which replica each of <see cref="Replicas"/> is.</summary>
    public required int[] ReplicaIndices { get; init; }

    /// <summary>Those of this node in the order of <see cref="RankPlace.All"/>.</summary>
    public required LoadedRank[] Ranks { get; init; }

    /// <param name="wrap">Makes what runs steps of a rank's runner, given the rank's index; called on its thread. Null: the runner itself.</param>
    public static RankWorld Load(EngineOptions options, ModelConfig config, int contextLength, Action<string, long, long>? progress, Action<string> warn,
        EngineProfiler profiler, INodes? nodes = null, Func<int, ModelRunner, IModelRunner>? wrap = null)
    {
        RankPlace[] world = RankPlace.All(options.TpSize, options.PpSize, options.EpSize, options.DpSize, options.SharesRanks);
        // Refused before a device is touched.
        foreach (RankPlace place in world) RankShare.Of(config, place);
        RankPlace[] places = nodes is null ? world : [.. world.Where(place => nodes.Layout.NodeOf(place) == nodes.Rank)];
        RankDevices devices = RankDevices.Assign(options, places.Length);
        Dictionary<int, DeviceInfo> infos = devices.Ordinals.Distinct().ToDictionary(ordinal => ordinal, ordinal => DeviceContext.GetInfo(devices.Kind, ordinal));
        int threads = ThreadsOfEach(options.NumThreads, infos[devices.Ordinals[0]], places.Length);
        int[][] processors = Processors(options, devices.Kind, places.Length);
        ReplicaGroups[] groups = new ReplicaGroups[options.DpSize];
        StepRounds? rounds = null;
        TimeSpan timeout = TimeSpan.FromSeconds(options.DistTimeoutSeconds);
        if (options.SharesRanks)
        {
            Array.Fill(groups, new ReplicaGroups(devices.Kind, world[0], timeout, options.AllowSharedDevice, options.DisableCustomAllReduce));
            rounds = new StepRounds(options.DpSize, places.Length, groups[0].Reset);
        }
        for (int i = 0; i < groups.Length && rounds is null; i++)
        {
            groups[i] = new ReplicaGroups(devices.Kind, options.TpSize, options.PpSize, timeout, i, nodes, options.AllowSharedDevice,
                options.DisableCustomAllReduce);
            nodes?.Attach(i, groups[i]);
        }

        string backend = world.Length == 1 ? "none" : places.Length == 1 ? "network" : devices.Kind == DeviceKind.Cpu ? "shared memory" : "nccl";
        profiler.Places = new RankFileSet(places, backend, world, devices.Ordinals);
        LoadRendezvous rendezvous = new(devices.Ordinals, nodes is null ? null : nodes.Agree);
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
                Rounds = rounds,
            };
            ranks[rank] = new RankThread(RankFileSet.RankThreadName(rank), () =>
            {
                try
                {
                    // Before its device, whose worker threads inherit it.
                    if (processors[rank].Length > 0 && !ThreadAffinity.TrySet(processors[rank])) warn($"Rank {rank} could not be bound to processors {string.Join(',', processors[rank])}.");
                    Action<string, long, long>? report = loading is null ? null : (_, done, total) => loading.Report(rank, done, total);
                    loaded[rank] = LoadedRank.Load(options, config, contextLength, report, rank == 0 ? warn : static _ => { }, setup, profiler);
                    return wrap is null ? loaded[rank].Runner : wrap(rank, loaded[rank].Runner);
                }
                catch (Exception error)
                {
                    rendezvous.Fail(error);
                    own.Abort(error.Message);
                    throw;
                }
            }, error => own.Abort(error.Message), options.MaxStepsInFlight, rounds, place.DpRank);
        }
        try
        {
            WaitUntilStarted(ranks);
            nodes?.WaitUntilLoaded();
        }
        catch
        {
            foreach (RankThread rank in ranks) rank.Stop();
            foreach (RankThread rank in ranks) rank.Dispose();
            foreach (ReplicaGroups group in groups) group.Dispose();
            throw;
        }
        int maxSamples = loaded[0].Memory.MaxRunningRequests;
        int[] replicas = [.. Enumerable.Range(0, options.DpSize).Where(i => nodes is null or { Rank: 0 } || places.Any(place => place.DpRank == i))];
        return new RankWorld { Ranks = loaded, ReplicaIndices = replicas, Replicas = [.. replicas.Select(i => Group(i, places, ranks, groups[i], maxSamples, options.MaxStepsInFlight, nodes, rounds))] };
    }

    /// <summary>For each replica those of its stages here; empty where nothing is counted.</summary>
    public ExpertCounter[][] ExpertCounters(int numReplicas) => Ranks.All(rank => rank.Runner.Experts is null)
        ? []
        : [.. Enumerable.Range(0, numReplicas).Select(replica => (ExpertCounter[])[.. Ranks.Where(rank => rank.Place.DpRank == replica && rank.Runner.Experts is not null).Select(rank => rank.Runner.Experts!)])];

    /// <summary>For each replica those of its ranks here; empty where tokens are never exchanged.</summary>
    public ExpertExchange[][] ExpertExchanges(int numReplicas) => Ranks.All(rank => rank.Runner.Exchange is null)
        ? []
        : [.. Enumerable.Range(0, numReplicas).Select(replica => (ExpertExchange[])[.. Ranks.Where(rank => rank.Place.DpRank == replica && rank.Runner.Exchange is not null).Select(rank => rank.Runner.Exchange!)])];

    /// <summary>This node's ranks of a replica and, on node 0, a channel to each other node that has some.</summary>
    private static RankGroup Group(int replica, RankPlace[] places, RankThread[] ranks, ReplicaGroups groups, int maxSamples, int maxSteps, INodes? nodes, StepRounds? rounds)
    {
        List<IRankChannel> channels = [];
        int reporter = 0;
        for (int i = 0; i < ranks.Length; i++)
        {
            if (places[i].DpRank != replica) continue;
            // Tokens are drawn on the last stage; all its ranks draw the same.
            if (places[i] is { IsLastStage: true, AttentionTpRank: 0 }) reporter = channels.Count;
            channels.Add(ranks[i]);
        }
        if (nodes is { Rank: 0 })
        {
            foreach (int node in nodes.Layout.NodesOf(replica).Where(node => node != 0))
            {
                // Rising, so the last one has the last stage.
                reporter = channels.Count;
                channels.Add(nodes.ChannelTo(node, replica, maxSamples));
            }
        }
        return new RankGroup([.. channels], maxSamples, groups, reporter, recovers: nodes is null or { Rank: 0 }, maxSteps, rounds, replica);
    }

    /// <summary>Of each rank of this node those that its threads keep to; empty: all.</summary>
    private static int[][] Processors(EngineOptions options, DeviceKind kind, int numRanks)
    {
        if (options.NumaNodes.Count > 0 && options.NumaNodes.Count != numRanks)
            throw new EngineStartException($"--numa-node names {options.NumaNodes.Count} nodes; one for each of {numRanks} ranks (tp x pp x dp) is needed.");
        NumaTopology topology = NumaTopology.Read(options.NumaDirectory, ThreadAffinity.Read());
        return
        [
            .. Enumerable.Range(0, numRanks).Select(rank => options.NumaNodes.Count > 0 ? topology.ProcessorsOfNode(options.NumaNodes[rank])
                : kind == DeviceKind.Cpu ? topology.ProcessorsOf(rank, numRanks) : []),
        ];
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
