using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class SchedulerTests
{
    private static readonly FinishReason s_stopped = FinishReason.StopString("END");

    [Fact]
    public void Overlap_keeps_exactly_the_tokens_asked_for()
    {
        var harness = new Harness(Harness.Options(), overlap: true);
        Request request = harness.Add("r", Harness.Prompt(5), maxNew: 3);
        harness.Drain();
        Assert.Equal(3, request.OutputLength);
        Assert.Equal(3, harness.Streams[request].Count);
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void A_token_launched_after_the_stop_is_dropped_once_and_its_page_freed()
    {
        var scheduler = new Scheduler(Harness.Options(100));
        Request request = Harness.Make("r", Harness.Prompt(5), maxNew: 50, stop: [77]);
        Assert.True(scheduler.TryEnqueue(request, out _));
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Equal([-1], second.TokenSources.ToArray());
        Assert.True(second.IsCurrent(0));
        scheduler.Commit(first, [77]);
        Assert.False(second.IsCurrent(0));
        Assert.False(scheduler.IsIdle);
        scheduler.Commit(second, [78]);
        Assert.Equal([77], request.OutputIds.ToArray());
        Assert.Equal(FinishReason.StopToken(77), request.Finish);
        Assert.Equal(1, scheduler.Events.Length);
        Assert.Equal(1, scheduler.Stats.DroppedTokens);
        Assert.Equal(5, scheduler.Stats.EvictableTokens);
        Assert.Equal(95, scheduler.Stats.FreeTokens);
        Assert.True(scheduler.IsIdle);
        Assert.Empty(Invariants.Check(scheduler));
    }

    [Fact]
    public void A_third_uncommitted_plan_is_refused()
    {
        var scheduler = new Scheduler(Harness.Options());
        Assert.True(scheduler.TryEnqueue(Harness.Make("r", [1, 2]), out _));
        scheduler.Plan();
        scheduler.Plan();
        Assert.Throws<InvalidOperationException>(scheduler.Plan);
    }

    [Fact]
    public void Plans_are_committed_in_order_with_one_id_a_sample()
    {
        var scheduler = new Scheduler(Harness.Options());
        Assert.True(scheduler.TryEnqueue(Harness.Make("r", [1, 2]), out _));
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Throws<InvalidOperationException>(() => scheduler.Commit(second, [1]));
        Assert.Throws<ArgumentException>(() => scheduler.Commit(first, [1, 2]));
        scheduler.Commit(first, [1]);
        Assert.Throws<InvalidOperationException>(() => scheduler.Commit(first, [1]));
        scheduler.Commit(second, [1]);
    }

    [Theory]
    [InlineData("queued")]
    [InlineData("chunked")]
    [InlineData("decoding")]
    [InlineData("retracted")]
    public void An_abort_ends_a_request_at_any_stage(string stage)
    {
        foreach (bool overlap in new[] { false, true })
        {
            var harness = new Harness(Harness.Options(60) with { ChunkedPrefillSize = 8, Conservativeness = 0.1 }, overlap);
            harness.Add("other", Harness.Prompt(6, 500), maxNew: 30);
            harness.Step();
            Request request = harness.Add("target", Harness.Prompt(12), maxNew: 30);
            for (int i = 0; Stage(request) != stage; i++)
            {
                Assert.True(i < 100, $"never {stage}");
                if (stage == "retracted" && i == 3) harness.Add("third", Harness.Prompt(6, 700), maxNew: 30);
                harness.Step();
            }
            harness.Scheduler.Abort("targ", "bye");
            harness.After("abort");
            Assert.Equal(FinishReason.Abort("bye"), harness.Finishes[request]);
            Assert.Equal(-1, request.Row);
            harness.Drain();
            harness.AssertIdleAndWhole();
            Assert.Equal(FinishReason.Length, harness.Finishes[harness.Streams.Keys.First()]);
        }

        static string Stage(Request request) => request.State switch
        {
            RequestState.Queued => request.NumRetractions > 0 ? "retracted" : "queued",
            RequestState.Prefill => "chunked",
            RequestState.Decode => "decoding",
            _ => "ended",
        };
    }

    [Fact]
    public void Abort_takes_every_rid_with_the_prefix()
    {
        var harness = new Harness(Harness.Options(maxRunning: 2));
        foreach (string rid in new[] { "ab-1", "b", "ab-2", "ab-3" }) harness.Add(rid, Harness.Prompt(3));
        harness.Step();
        harness.Scheduler.Abort("ab", "bye");
        harness.After("abort");
        Assert.Equal(["ab-1", "ab-2", "ab-3"], harness.Finishes.Keys.Select(request => request.Rid).Order());
        harness.Scheduler.AbortAll("all");
        harness.After("abort");
        Assert.Equal(4, harness.Finishes.Count);
        harness.AssertIdleAndWhole();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_stop_string_found_late_cuts_the_output(bool overlap)
    {
        var harness = new Harness(Harness.Options(), overlap);
        Request request = harness.Add("r", Harness.Prompt(5), maxNew: 50);
        for (int i = 0; i < 10; i++) harness.Step();
        int[] before = request.OutputIds.ToArray();
        harness.Scheduler.FinishAt(request, 4, s_stopped);
        harness.After("stop string");
        Assert.Equal(before[..4], request.OutputIds.ToArray());
        Assert.Equal(s_stopped, request.Finish);
        harness.Drain();
        Assert.Equal(5 + 4, harness.Scheduler.Stats.EvictableTokens);
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void Finishing_what_has_finished_does_nothing()
    {
        var harness = new Harness(Harness.Options());
        Request request = harness.Add("r", Harness.Prompt(5), maxNew: 2);
        harness.Drain();
        harness.Scheduler.FinishAt(request, 1, s_stopped);
        harness.Scheduler.Abort(request, FinishReason.Abort("late"));
        harness.Scheduler.Abort("r", "late");
        Assert.Equal(0, harness.Scheduler.Events.Length);
        Assert.Equal(FinishReason.Length, request.Finish);
        Assert.Equal(2, request.OutputLength);
    }

    [Fact]
    public void A_failed_step_ends_its_requests_and_frees_what_they_held()
    {
        var scheduler = new Scheduler(Harness.Options(100) with { ChunkedPrefillSize = 10 });
        Request whole = Harness.Make("whole", Harness.Prompt(6));
        Request chunked = Harness.Make("chunked", Harness.Prompt(20, 100));
        Request waiting = Harness.Make("waiting", Harness.Prompt(5, 200));
        foreach (Request request in new[] { whole, chunked, waiting }) Assert.True(scheduler.TryEnqueue(request, out _));
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Equal([chunked], second.Requests.ToArray());
        FinishReason reason = FinishReason.Abort("the device is gone", 500);
        scheduler.Fail(first, reason);
        Assert.Equal((reason, reason, null), (whole.Finish, chunked.Finish, waiting.Finish));
        Assert.False(second.IsCurrent(0));
        scheduler.Commit(second, []);
        Assert.Equal(2, scheduler.Events.Length);
        Assert.Equal(100, scheduler.Stats.FreeTokens);
        Assert.Empty(Invariants.Check(scheduler));
        Assert.Equal([waiting], scheduler.Plan()!.Requests.ToArray());
    }

    [Fact]
    public void A_new_request_may_use_what_another_has_just_generated()
    {
        var harness = new Harness(Harness.Options(100, pageSize: 4));
        Request first = harness.Add("first", Harness.Prompt(10), maxNew: 7);
        harness.Drain();
        Request second = harness.Add("second", [.. first.Tokens, 1, 2, 3]);
        harness.Drain();
        Assert.Equal(16, second.CachedTokens); // 10 + 7 tokens, of which the last was never computed
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void The_cache_is_flushed_only_when_idle()
    {
        var harness = new Harness(Harness.Options());
        harness.Add("r", Harness.Prompt(5), maxNew: 2);
        Assert.False(harness.Scheduler.TryFlushCache());
        harness.Drain();
        Assert.Equal(6, harness.Scheduler.Stats.EvictableTokens);
        Assert.True(harness.Scheduler.TryFlushCache());
        Assert.Equal(1000, harness.Scheduler.Stats.FreeTokens);
        Request again = harness.Add("again", Harness.Prompt(5), maxNew: 2);
        harness.Drain();
        Assert.Equal(0, again.CachedTokens);
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void Waiting_and_running_time_out_with_503()
    {
        var clock = new ManualClock();
        var harness = new Harness(
            Harness.Options(maxRunning: 1) with { WaitingTimeout = TimeSpan.FromSeconds(5), RunningTimeout = TimeSpan.FromSeconds(20) }, time: clock);
        Request running = harness.Add("running", Harness.Prompt(3), maxNew: 100);
        Request waiting = harness.Add("waiting", Harness.Prompt(3));
        harness.Step();
        clock.Advance(6);
        harness.Step();
        Assert.Equal(FinishReason.Abort("Request waiting timeout reached.", 503), waiting.Finish);
        Assert.Null(running.Finish);
        clock.Advance(15);
        harness.Step();
        Assert.Equal(FinishReason.Abort("Request running timeout reached.", 503), running.Finish);
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void The_smallest_pools_serve_what_they_accept()
    {
        foreach ((int numPages, int pageSize) in new[] { (7, 1), (8, 1), (3, 3), (1, 16), (2, 16) })
        {
            var harness = new Harness(Harness.Options(numPages, pageSize));
            int longest = harness.Scheduler.Options.MaxRequestInputLength - 1;
            for (int length = 1; length <= Math.Max(longest, 0); length++) harness.Add($"r{length}", Harness.Prompt(length, 10 * length), maxNew: null);
            harness.Drain();
            harness.AssertIdleAndWhole();
            Assert.All(harness.Finishes.Values, finish => Assert.Equal(FinishReason.Length, finish));
        }
    }

    [Fact]
    public void A_request_is_given_to_one_scheduler_once()
    {
        var scheduler = new Scheduler(Harness.Options());
        Request request = Harness.Make("r", [1]);
        Assert.True(scheduler.TryEnqueue(request, out _));
        Assert.Throws<ArgumentException>(() => scheduler.TryEnqueue(request, out _));
    }

    private sealed class ManualClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _now;

        public void Advance(long seconds) => _now += seconds;
    }
}
