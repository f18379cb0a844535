using System.Diagnostics;
using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>What happens when one rank of several fails: its step ends with its reason, nobody waits, and the next step runs.</summary>
public sealed class RankGroupTests
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(60);

    /// <summary>Ranks that meet once a step; <paramref name="act"/> says what each does before.</summary>
    private static RankGroup Start(int tp, Action<int, StepPlan> act, TimeSpan? timeout = null)
    {
        ReplicaGroups groups = new(DeviceKind.Cpu, tp, 1, timeout ?? s_timeout);
        RankThread[] ranks = [.. RankPlace.All(tp).Select(place => new RankThread($"test-rank-{place.TpRank}", () => new MeetingRunner(groups, place, act), error => groups.Abort(error.Message)))];
        foreach (RankThread rank in ranks) rank.WaitUntilStarted();
        return new RankGroup(ranks, 4, groups);
    }

    private static StepPlan[] Plans(int count)
    {
        Scheduler scheduler = new(new SchedulerOptions { MaxRunningRequests = 4, NumPages = 64, PageSize = 16, ContextLength = 256, VocabularySize = 100, ChunkedPrefillSize = 256 });
        List<StepPlan> plans = [];
        for (int i = 0; i < count; i++)
        {
            Assert.True(scheduler.TryEnqueue(new Request($"r{i}", [1, 2, 3], new SamplingParams { MaxNewTokens = 4 }, [], null), out _));
            plans.Add(scheduler.Plan()!);
        }
        return [.. plans];
    }

    [Fact]
    public void A_failing_ranks_reason_is_the_steps_error_and_the_next_step_runs()
    {
        StepPlan[] plans = Plans(2);
        using RankGroup group = Start(3, (rank, plan) =>
        {
            if (rank == 1 && plan.StepId == plans[0].StepId) throw new InvalidOperationException("rank 1 is out of luck");
        });
        group.Launch(plans[0]);
        Assert.Equal("rank 1 is out of luck", group.Wait().Error?.Message);
        group.Launch(plans[1]);
        Assert.Null(group.Wait().Error);
        Assert.Null(Run(group, plans[0], plans[1]).Skip(1).FirstOrDefault());
    }

    [Fact]
    public void A_step_launched_behind_a_failed_one_fails_too_or_runs_and_later_ones_run()
    {
        StepPlan[] plans = Plans(2);
        for (int round = 0; round < 50; round++)
        {
            int failing = round % 4;
            bool fails = true;
            using RankGroup group = Start(4, (rank, plan) =>
            {
                if (Volatile.Read(ref fails) && rank == failing && plan.StepId == plans[0].StepId) throw new InvalidOperationException("once");
            });
            group.Launch(plans[0]);
            group.Launch(plans[1]);
            Assert.Equal("once", group.Wait().Error?.Message);
            group.Wait();
            Volatile.Write(ref fails, false);
            group.Launch(plans[0]);
            group.Launch(plans[1]);
            Assert.Null(group.Wait().Error);
            Assert.Null(group.Wait().Error);
        }
    }

    [Fact]
    public void A_rank_that_hangs_is_named_by_the_others_after_the_timeout()
    {
        using ManualResetEventSlim stuck = new();
        StepPlan plan = Plans(1)[0];
        using RankGroup group = Start(2, (rank, _) =>
        {
            if (rank == 1) stuck.Wait();
        }, TimeSpan.FromMilliseconds(200));
        group.Launch(plan);
        long start = Stopwatch.GetTimestamp();
        // The rank itself is freed only now; the other has long given up.
        Thread.Sleep(600);
        stuck.Set();
        Assert.Contains("rank 1 did not come within 200 ms", group.Wait().Error?.Message);
        Assert.True(Stopwatch.GetElapsedTime(start) < s_timeout);
    }

    private static Exception?[] Run(RankGroup group, params StepPlan[] plans)
    {
        Exception?[] errors = new Exception?[plans.Length];
        for (int i = 0; i < plans.Length; i++)
        {
            group.Launch(plans[i]);
            errors[i] = group.Wait().Error;
        }
        return errors;
    }

    private sealed class MeetingRunner : IModelRunner
    {
        private readonly DeviceContext _device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        private readonly RankCommunicators _ranks;
        private readonly Action<int, StepPlan> _act;

        public MeetingRunner(ReplicaGroups groups, RankPlace place, Action<int, StepPlan> act)
        {
            _ranks = groups.Connect(place, _device)!;
            _act = act;
        }

        public void Complete(StepPlan plan, StepOutcome outcome)
        {
        }

        public void Launch(StepPlan plan, StepOutcome outcome)
        {
            _act(_ranks.Place.TpRank, plan);
            _ranks.Tensor!.Barrier();
        }

        public void Dispose()
        {
            _ranks.Dispose();
            _device.Dispose();
        }
    }
}
