using SgLang.Core;

namespace SgLang.Scheduling.Tests;

/// <summary>Plans for a pipeline: as many decode steps under way as there are micro-batches, each of other requests.</summary>
public sealed class MicroBatchTests
{
    private static SchedulerOptions Options(int microBatches, int? most = null, bool plansAhead = true) =>
        Harness.Options(maxRunning: 64) with { NumMicroBatches = microBatches, MaxMicroBatchSize = most, PlansAhead = plansAhead };

    /// <summary>Requests of each decode step.</summary>
    private static List<string[]> DecodeSteps(SchedulerOptions options, int numRequests, int maxNew = 9)
    {
        Harness harness = new(options, overlap: true);
        List<string[]> steps = [];
        harness.OnPlan = plan =>
        {
            if (plan.Kind == StepKind.Decode) steps.Add([.. plan.Requests.ToArray().Select(request => request.Rid)]);
        };
        Request[] requests = [.. Enumerable.Range(0, numRequests).Select(i => harness.Add($"r{i}", Harness.Prompt(5, 100 * i), maxNew))];
        harness.Drain();
        harness.AssertIdleAndWhole();
        foreach (Request request in requests) Assert.Equal(harness.Model.Expected(request, maxNew), request.OutputIds.ToArray());
        return steps;
    }

    [Theory]
    [InlineData(2, 8)]
    [InlineData(2, 7)]
    [InlineData(3, 8)]
    [InlineData(4, 4)]
    public void Steps_under_way_share_no_request_and_are_alike_in_size(int microBatches, int numRequests)
    {
        List<string[]> steps = DecodeSteps(Options(microBatches), numRequests);
        int share = (numRequests + microBatches - 1) / microBatches;
        Assert.All(steps, step => Assert.InRange(step.Length, 1, share));
        // Of eight rounds; in the last, those that have no token left to plan make the shares smaller.
        Assert.InRange(steps.Count, 8 * microBatches, 9 * microBatches);
        for (int i = 0; i + microBatches <= 7 * microBatches; i++)
            Assert.Equal(numRequests, steps.Skip(i).Take(microBatches).SelectMany(step => step).Distinct().Count());
    }

    [Fact]
    public void A_request_alone_is_planned_ahead_once()
    {
        Scheduler scheduler = new(Options(3));
        Assert.True(scheduler.TryEnqueue(Harness.Make("r", Harness.Prompt(5)), out _));
        StepPlan prompt = scheduler.Plan()!;
        Assert.Equal(StepKind.Decode, scheduler.Plan()!.Kind);
        Assert.Null(scheduler.Plan());
        scheduler.Commit(prompt, [7]);
        Assert.Equal(StepKind.Decode, scheduler.Plan()!.Kind);
    }

    [Fact]
    public void Without_planning_ahead_a_token_waits_for_the_one_before()
    {
        Scheduler scheduler = new(Options(2, plansAhead: false));
        Assert.True(scheduler.TryEnqueue(Harness.Make("r", Harness.Prompt(5)), out _));
        StepPlan prompt = scheduler.Plan()!;
        Assert.Null(scheduler.Plan());
        scheduler.Commit(prompt, [7]);
        Assert.Equal([7], scheduler.Plan()!.TokenSources.ToArray());
    }

    [Fact]
    public void No_step_has_more_requests_than_a_micro_batch_may()
    {
        Harness harness = new(Options(2, most: 3), overlap: true);
        int largest = 0;
        harness.OnPlan = plan => largest = Math.Max(largest, plan.NumRequests);
        Request[] requests = [.. Enumerable.Range(0, 20).Select(i => harness.Add($"r{i}", Harness.Prompt(5, 100 * i), 9))];
        harness.Drain();
        Assert.Equal(3, largest);
        // Nobody starves: those planned longest ago come first.
        Assert.All(requests, request => Assert.Equal(9, request.OutputLength));
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void Newcomers_and_leavers_are_dealt_out_again()
    {
        Harness harness = new(Options(2), overlap: true);
        List<int> sizes = [];
        harness.OnPlan = plan =>
        {
            if (plan.Kind == StepKind.Decode) sizes.Add(plan.NumRequests);
        };
        for (int i = 0; i < 8; i++) harness.Add($"r{i}", Harness.Prompt(5, 100 * i), i < 6 ? 10 : 40);
        for (int i = 0; i < 10; i++) harness.Step();
        for (int i = 8; i < 12; i++) harness.Add($"r{i}", Harness.Prompt(5, 100 * i), 40);
        harness.Drain();
        harness.AssertIdleAndWhole();
        Assert.Equal(6, sizes.Max());
        // Six remain, three a step, as long as they last.
        Assert.Equal(3, sizes[^20]);
    }

    [Fact]
    public void As_many_plans_as_may_be_uncommitted_and_no_more()
    {
        SchedulerOptions options = Options(2);
        Scheduler scheduler = new(options);
        for (int i = 0; i < 6; i++) Assert.True(scheduler.TryEnqueue(Harness.Make($"r{i}", Harness.Prompt(5, 100 * i)), out _));
        for (int i = 0; i < 3; i++) Assert.NotNull(scheduler.Plan());
        Assert.Equal(3, options.MaxUncommitted);
        Assert.Throws<InvalidOperationException>(() => scheduler.Plan());
    }

    [Fact]
    public void A_steady_decode_step_of_a_micro_batch_allocates_nothing()
    {
        Scheduler scheduler = new(Harness.Options(4096, 16, maxRunning: 64) with { NumMicroBatches = 2 });
        for (int i = 0; i < 64; i++) Assert.True(scheduler.TryEnqueue(Harness.Make($"r{i}", Harness.Prompt(50, 100 * i), maxNew: 700), out _));
        int[] ids = [.. Enumerable.Repeat(5, 64)];
        Queue<StepPlan> inFlight = new(4);
        for (int i = 0; i < 20; i++) Step();
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++) Step();
        }));

        void Step()
        {
            inFlight.Enqueue(scheduler.Plan()!);
            if (inFlight.Count < 3) return;
            StepPlan oldest = inFlight.Dequeue();
            scheduler.Commit(oldest, ids.AsSpan(0, oldest.NumSamples));
            scheduler.ClearEvents();
        }
    }
}
