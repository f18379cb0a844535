using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class PriorityTests
{
    private static SchedulerOptions Options(int numPages = 10_000, int maxRunning = 8) =>
        Harness.Options(numPages, maxRunning: maxRunning) with { EnablePriorityScheduling = true };

    [Theory]
    [InlineData(false, "high mid1 mid2 low none")]
    [InlineData(true, "low mid1 mid2 high none")]
    public void Requests_are_admitted_by_priority_then_by_arrival(bool lowFirst, string expected)
    {
        var harness = new Harness(Options() with { LowPriorityValuesFirst = lowFirst });
        harness.Add("none", [1]);
        harness.Add("low", [2], priority: -3);
        harness.Add("mid1", [3], priority: 0);
        harness.Add("high", [4], priority: 7);
        harness.Add("mid2", [5], priority: 0);
        Assert.Equal(expected, Rids(harness.Step()!));
    }

    [Fact]
    public void A_default_priority_places_those_that_name_none()
    {
        var harness = new Harness(Options() with { DefaultPriority = 5 });
        harness.Add("low", [1], priority: 4);
        harness.Add("none", [2]);
        harness.Add("high", [3], priority: 6);
        Assert.Equal("high none low", Rids(harness.Step()!));
    }

    [Fact]
    public void Priority_goes_before_longest_output()
    {
        var harness = new Harness(Options() with { Policy = SchedulePolicy.Lof });
        harness.Add("short", [1], maxNew: 2, priority: 1);
        harness.Add("long", [2], maxNew: 90, priority: 1);
        harness.Add("urgent", [3], maxNew: 1, priority: 2);
        Assert.Equal("urgent long short", Rids(harness.Step()!));
    }

    [Theory]
    [InlineData(10, false)]
    [InlineData(11, true)]
    public void A_row_is_taken_from_a_running_request_only_beyond_the_threshold(int difference, bool preempts)
    {
        var harness = new Harness(Options(maxRunning: 2));
        Request first = harness.Add("first", [1], maxNew: 50, priority: 0);
        Request second = harness.Add("second", [2], maxNew: 50, priority: 0);
        for (int i = 0; i < 5; i++) harness.Step();
        Request urgent = harness.Add("urgent", [3], maxNew: 5, priority: difference);
        harness.Step();
        Assert.Equal(preempts, urgent.Row >= 0);
        Assert.Equal((0, preempts ? 1 : 0), (first.NumRetractions, second.NumRetractions)); // the newest goes first
        harness.Drain();
        foreach (Request request in new[] { first, second, urgent })
            Assert.Equal(harness.Model.Expected(request, request.MaxNewTokens), request.OutputIds.ToArray());
        harness.AssertIdleAndWhole();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_is_regained_from_as_few_as_needed_worst_first(bool overlap)
    {
        var harness = new Harness(Options(numPages: 400), overlap);
        Request middle = harness.Add("middle", Harness.Prompt(100), maxNew: 50, priority: 50);
        Request worst = harness.Add("worst", Harness.Prompt(100, 1000), maxNew: 50, priority: 0);
        for (int i = 0; i < 5; i++) harness.Step();
        Request urgent = harness.Add("urgent", Harness.Prompt(180, 2000), maxNew: 20, priority: 100);
        harness.Step();
        Assert.True(urgent.Row >= 0);
        Assert.Equal((0, 1), (middle.NumRetractions, worst.NumRetractions));
        Assert.Equal(RequestState.Queued, worst.State);
        harness.Drain();
        foreach (Request request in new[] { middle, worst, urgent })
            Assert.Equal(harness.Model.Expected(request, request.MaxNewTokens), request.OutputIds.ToArray());
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void Nobody_is_preempted_when_it_would_not_be_enough_or_is_turned_off()
    {
        foreach (bool isOff in new[] { false, true })
        {
            var harness = new Harness(Options(numPages: 400) with { DisablePriorityPreemption = isOff });
            Request good = harness.Add("good", Harness.Prompt(200), maxNew: 50, priority: 95);
            Request small = harness.Add("small", Harness.Prompt(20, 1000), maxNew: 50, priority: 0);
            for (int i = 0; i < 5; i++) harness.Step();
            harness.Add("urgent", Harness.Prompt(isOff ? 150 : 250, 2000), maxNew: 20, priority: 100);
            for (int i = 0; i < 5; i++) harness.Step();
            Assert.Equal((0, 0), (good.NumRetractions, small.NumRetractions));
            harness.Drain();
        }
    }

    [Fact]
    public void A_full_queue_gives_up_the_least_preferred_and_of_equals_the_newest()
    {
        var harness = new Harness(Options() with { MaxQueuedRequests = 3 });
        harness.Add("a", [1], priority: 1);
        Request old = harness.Add("b", [2], priority: 0);
        Request newest = harness.Add("c", [3], priority: 0);
        harness.Add("d", [4], priority: 5);
        Assert.Equal(503, harness.Finishes[newest].StatusCode);
        Assert.Equal(RequestState.Queued, old.State);
        Assert.False(harness.Scheduler.TryEnqueue(Harness.Make("e", [5], priority: 0), out FinishReason refusal)); // not strictly better
        Assert.Equal("The request queue is full.", refusal.Text);
        harness.Drain();
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void A_priority_is_refused_where_that_is_asked_for_and_priorities_are_off()
    {
        var scheduler = new Scheduler(Harness.Options() with { AbortOnPriorityWhenDisabled = true });
        Assert.False(scheduler.TryEnqueue(Harness.Make("r", [1], priority: 1), out FinishReason refusal));
        Assert.Equal(503, refusal.StatusCode);
        Assert.Contains("--enable-priority-scheduling", refusal.Text);
        Assert.True(scheduler.TryEnqueue(Harness.Make("s", [1]), out _));
    }

    [Fact]
    public void Retraction_by_priority_spares_the_higher_one()
    {
        foreach (RetractionPolicy policy in new[] { RetractionPolicy.Length, RetractionPolicy.Priority })
        {
            var harness = new Harness(Options(80) with { Conservativeness = 0.1, RetractionPolicy = policy, DisablePriorityPreemption = true });
            Request old = harness.Add("old", Harness.Prompt(5), maxNew: 70, priority: 0);
            for (int i = 0; i < 5; i++) harness.Step();
            Request young = harness.Add("young", Harness.Prompt(6, 100), maxNew: 50, priority: 9);
            while (harness.Scheduler.Stats.NumRetracted == 0) harness.Step();
            Assert.Equal(policy == RetractionPolicy.Priority ? (1, 0) : (0, 1), (old.NumRetractions, young.NumRetractions));
            harness.Drain();
            harness.AssertIdleAndWhole();
        }
    }

    [Fact]
    public void Policies_that_priorities_do_not_go_with_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Scheduler(Options() with { Policy = SchedulePolicy.Lpm }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Scheduler(Harness.Options() with { RetractionPolicy = RetractionPolicy.Priority }));
    }

    private static string Rids(StepPlan plan) => string.Join(' ', plan.Requests.ToArray().Select(request => request.Rid));
}
