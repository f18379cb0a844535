using System.Collections.Concurrent;
using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Ranks of replicas that run their steps together: who steps when, and what happens when one fails.</summary>
public sealed class StepRoundsTests(ITestOutputHelper output) : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(60);

    private readonly List<RankGroup> _groups = [];

    public void Dispose()
    {
        foreach (RankGroup group in _groups) group.Dispose();
    }

    private static StepPlan[] Plans(int count)
    {
        Scheduler scheduler = new(new SchedulerOptions { MaxRunningRequests = count, NumPages = 64, PageSize = 16, ContextLength = 256, VocabularySize = 100, ChunkedPrefillSize = 256 });
        List<StepPlan> plans = [];
        for (int i = 0; i < count; i++)
        {
            Assert.True(scheduler.TryEnqueue(new Request($"r{i}", [.. Enumerable.Range(1, 3 + i)], new SamplingParams { MaxNewTokens = 4 }, [], null), out _));
            plans.Add(scheduler.Plan()!);
        }
        return [.. plans];
    }

    /// <param name="act">Called by each rank in each round: (place, its replica's plan or padding).</param>
    private RankGroup[] Start(int tp, int dp, Action<RankPlace, StepPlan, int[]> act)
    {
        RankPlace[] places = RankPlace.All(tp, dpSize: dp, dpAttention: true);
        ReplicaGroups groups = new(DeviceKind.Cpu, places[0], s_timeout, allowSharedDevice: false, disablePeerKernels: false);
        StepRounds rounds = new(dp, tp, groups.Reset);
        RankThread[] ranks =
        [
            .. places.Select(place => new RankThread($"test-rank-{place.TpRank}",
                () => new MeetingRunner(groups, place, plan => act(place, plan, rounds.Tokens.ToArray())), error => groups.Abort(error.Message), 2, rounds, place.DpRank)),
        ];
        foreach (RankThread rank in ranks) rank.WaitUntilStarted();
        for (int replica = 0; replica < dp; replica++)
            _groups.Add(new RankGroup([.. ranks.Where((_, i) => places[i].DpRank == replica)], 4, groups, rounds: rounds, replica: replica));
        return [.. _groups];
    }

    [Fact]
    public void A_replicas_step_takes_all_ranks_and_the_others_pad()
    {
        ConcurrentQueue<(int Rank, int Tokens, string Round)> seen = [];
        RankGroup[] groups = Start(4, 2, (place, plan, tokens) => seen.Enqueue((place.TpRank, plan.NumTokens, string.Join(',', tokens))));
        StepPlan plan = Plans(1)[0];
        groups[1].Launch(plan);
        Assert.Null(groups[1].Wait().Error);
        // The replica's own ranks have ended the step; the others, which met them in it, may be about to.
        Assert.True(SpinWait.SpinUntil(() => seen.Count == 4, s_timeout));
        Assert.Equal([(0, 1, "0,3"), (1, 1, "0,3"), (2, 3, "0,3"), (3, 3, "0,3")], seen.Order());
    }

    /// <summary>Both replicas go on at their own pace for hundreds of rounds, two steps launched ahead; no rank ever misses a meeting.</summary>
    [Fact]
    public async Task Replicas_step_at_their_own_pace()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        RankGroup[] groups = Start(4, 4, (_, _, _) => { });
        await Task.WhenAll(groups.Select((group, replica) => Task.Run(() =>
        {
            var random = new Random(seed + replica);
            StepPlan[] plans = Plans(2);
            for (int step = 0; step < 200; step++)
            {
                group.Launch(plans[0]);
                group.Launch(plans[1]);
                if (random.Next(8) == 0) Thread.Sleep(1);
                Assert.Null(group.Wait().Error);
                Assert.Null(group.Wait().Error);
            }
        })));
    }

    /// <summary>Any rank of any replica fails now and then, at its own step or at padding: steps end with that reason or succeed, nobody hangs, and the next succeed.</summary>
    [Fact]
    public async Task A_failing_rank_ends_the_steps_of_its_round_and_later_ones_run()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        int countdown = 0;
        RankGroup[] groups = Start(4, 2, (_, _, _) =>
        {
            if (Interlocked.Decrement(ref countdown) == 0) throw new InvalidOperationException("out of luck");
        });
        StepPlan[][] plans = [Plans(2), Plans(2)];
        var random = new Random(seed);
        int failures = 0;
        for (int round = 0; round < 60; round++)
        {
            Volatile.Write(ref countdown, random.Next(1, 20));
            await Task.WhenAll(groups.Select((group, replica) => Task.Run(() =>
            {
                for (int pair = 0; pair < 3; pair++)
                {
                    group.Launch(plans[replica][0]);
                    group.Launch(plans[replica][1]);
                    for (int step = 0; step < 2; step++)
                    {
                        Exception? error = group.Wait().Error;
                        if (error is null) continue;
                        Assert.Contains("out of luck", error.Message);
                        Interlocked.Increment(ref failures);
                    }
                }
            })));
            Volatile.Write(ref countdown, 0);
            foreach (RankGroup group in groups)
            {
                group.Launch(plans[0][0]);
                Assert.Null(group.Wait().Error);
            }
        }
        Assert.InRange(failures, 1, int.MaxValue);
    }

    private sealed class MeetingRunner : IModelRunner
    {
        private readonly DeviceContext _device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        private readonly RankCommunicators _ranks;
        private readonly Action<StepPlan> _act;

        public MeetingRunner(ReplicaGroups groups, RankPlace place, Action<StepPlan> act)
        {
            _ranks = groups.Connect(place, _device)!;
            _act = act;
        }

        public void Complete(StepPlan plan, StepOutcome outcome)
        {
        }

        public void Launch(StepPlan plan, StepOutcome outcome)
        {
            _act(plan);
            _ranks.Tensor?.Barrier();
            _ranks.AttentionPeers!.Barrier();
            _ranks.Tensor?.Barrier();
        }

        public void Dispose()
        {
            _ranks.Dispose();
            _device.Dispose();
        }
    }
}
