using SgLang.Core;
using SgLang.Models;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Real models on real ranks, driven step by step as the engine's loop does.</summary>
public sealed class RankSteadyStateTests
{
    private const int NumRequests = 6, NumSteps = 240, Window = 20;

    /// <summary>Of every rank's thread and of the one that plans, in the window of steps that allocated least: a collection may cost any one something.</summary>
    [Theory]
    [InlineData(2, 1, 0.7)]
    [InlineData(4, 1, 0.7)]
    [InlineData(1, 2, 0.7)]
    [InlineData(2, 2, 0.7)]
    [InlineData(2, 1, 0)]
    public void A_steady_decode_step_allocates_nothing_on_any_rank(int tp, int pp, double temperature)
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = tp, PpSize = pp, NumThreads = 1, MaxRunningRequests = NumRequests };
        Probe[] probes = new Probe[tp * pp];
        RankWorld world = RankWorld.Load(options, ModelConfig.Load(options.ModelPath, "{}"), 1024, null, static _ => { }, new EngineProfiler(),
            wrap: (rank, runner) => probes[rank] = new Probe(runner));
        MemoryPlan memory = world.Ranks[0].Memory;
        Scheduler scheduler = new(new SchedulerOptions
        {
            MaxRunningRequests = memory.MaxRunningRequests, NumPages = memory.NumPages, PageSize = options.PageSize, ContextLength = 1024, ChunkedPrefillSize = 512,
            NumMicroBatches = options.NumMicroBatches,
        });
        for (int i = 0; i < NumRequests; i++)
        {
            SamplingParams sampling = new() { Temperature = i % 2 == 0 ? 0 : temperature, TopK = 20, MaxNewTokens = 600, IgnoreEos = true };
            Assert.True(scheduler.TryEnqueue(new Request($"r{i}", [.. Enumerable.Range(1 + i, 10)], sampling) { Owner = new Seeded((ulong)i) }, out _));
        }
        long[] planner = new long[NumSteps];
        Queue<StepPlan> underWay = new(options.MaxStepsInFlight + 1);
        using (RankGroup group = world.Replicas[0])
        {
            for (int step = 0; step < NumSteps; step++)
            {
                planner[step] = GC.GetAllocatedBytesForCurrentThread();
                StepPlan plan = scheduler.Plan()!;
                group.Launch(plan);
                underWay.Enqueue(plan);
                if (underWay.Count == options.MaxStepsInFlight) Finish(group);
            }
            while (underWay.Count > 0) Finish(group);
        }
        Assert.Equal(0, Least(planner));
        // Where all are greedy, no logits are gathered.
        Assert.All(world.Ranks, rank => Assert.Equal(temperature == 0 && rank.Place.IsLastStage ? NumRequests * NumSteps : 0, rank.Runner.NumGreedyOverParts));
        for (int rank = 0; rank < probes.Length; rank++) Assert.True(Least(probes[rank].Bytes) == 0, $"rank {rank}: {Least(probes[rank].Bytes)} bytes in {Window} steps");

        void Finish(RankGroup group)
        {
            StepPlan oldest = underWay.Dequeue();
            StepOutcome outcome = group.Wait();
            if (outcome.Error is { } error) throw error;
            scheduler.Commit(oldest, outcome.Ids(oldest));
            scheduler.ClearEvents();
        }
    }

    private static long Least(long[] bytes)
    {
        long least = long.MaxValue;
        for (int i = Window; i < bytes.Length; i++) least = Math.Min(least, bytes[i] - bytes[i - Window]);
        return least;
    }

    private sealed class Seeded(ulong seed) : ISampledRequest
    {
        public ulong Seed => seed;
        public int[] StopTokenIds => [];
    }

    /// <summary>Notes before each step what its thread has allocated so far.</summary>
    private sealed class Probe(IModelRunner runner) : IModelRunner
    {
        private int _next;

        public long[] Bytes { get; } = new long[NumSteps];

        public void Launch(StepPlan plan, StepOutcome outcome)
        {
            Bytes[_next++] = GC.GetAllocatedBytesForCurrentThread();
            runner.Launch(plan, outcome);
        }

        public void Complete(StepPlan plan, StepOutcome outcome) => runner.Complete(plan, outcome);

        public void Dispose() => runner.Dispose();
    }
}
