using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class DecodePlannerTests
{
    [Fact]
    public void Only_lengths_that_fill_their_pages_need_one()
    {
        var cache = new KvCache(Harness.Options(100, 16));
        int pages = 0;
        foreach (int length in new[] { 16, 17, 32, 40 })
        {
            Request request = Harness.Make("r", Harness.Prompt(length));
            cache.Extend(request, length);
            pages += cache.PagesMissing(request, length + 1);
        }
        Assert.Equal(32, pages * 16);
    }

    [Fact]
    public void An_extend_fills_the_partial_page_before_it_takes_new_ones()
    {
        var cache = new KvCache(Harness.Options(100, 4));
        Request request = Harness.Make("r", Harness.Prompt(15));
        cache.Extend(request, 4);
        cache.Pool.Allocate();
        cache.Extend(request, 6);
        request.KvLength = 6; // the last slot is 13, in page 3
        Assert.Equal(2, cache.PagesMissing(request, 15));
        cache.Extend(request, 15);
        var plan = new StepPlan(1, 1);
        plan.AddPrefill(request, 9, 4, samples: true);
        Assert.Equal([14, 15, 16, 17, 18, 19, 20, 21, 22], plan.Slots.ToArray());
        Assert.Equal([6, 7, 8, 9, 10, 11, 12, 13, 14], plan.Positions.ToArray());
    }

    [Fact]
    public void The_one_with_fewest_tokens_then_the_longest_prompt_is_retracted_first()
    {
        // Ratio 0.07: admission is careless, so decoding runs out of pages.
        var harness = new Harness(Harness.Options(80) with { Conservativeness = 0.1 });
        Request old = harness.Add("old", Harness.Prompt(5), maxNew: 70);
        for (int i = 0; i < 5; i++) harness.Step();
        Request shorter = harness.Add("shorter", Harness.Prompt(6, 100), maxNew: 20);
        Request longer = harness.Add("longer", Harness.Prompt(12, 200), maxNew: 20);
        while (harness.Scheduler.Stats.NumRetracted == 0) harness.Step();
        Assert.Equal((0, 0, 1), (old.NumRetractions, shorter.NumRetractions, longer.NumRetractions));
        Assert.Equal(RequestState.Queued, longer.State);
        SchedulerStats stats = harness.Scheduler.Stats;
        Assert.Equal((1, 12, longer.OutputLength), (stats.NumRetractedWaiting, stats.RetractedInputTokens, stats.RetractedOutputTokens));
        double expected = (old.OutputLength - 1 + shorter.OutputLength - 1 + 40) / (90.0 + 1); // outputs before the step that retracted
        Assert.Equal(expected, harness.Scheduler.Stats.NewTokenRatio, 9);
        harness.Drain();
        Assert.Equal(0, harness.Scheduler.Stats.NumRetractedWaiting);
        Assert.All(new[] { old, shorter, longer }, r => Assert.Equal(harness.Model.Expected(r, r.MaxNewTokens), r.OutputIds.ToArray()));
        harness.AssertIdleAndWhole();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_retracted_request_resumes_with_the_same_output(bool overlap)
    {
        var harness = new Harness(Harness.Options(80, pageSize: 1) with { Conservativeness = 0.1 }, overlap);
        var requests = new List<Request>();
        for (int i = 0; i < 6; i++)
        {
            requests.Add(harness.Add($"r{i}", Harness.Prompt(8, 100 * i), maxNew: 40));
            harness.Step();
        }
        harness.Drain();
        Assert.True(harness.Scheduler.Stats.NumRetracted >= 2, harness.Scheduler.Stats.ToString());
        Assert.All(requests, r => Assert.Equal(harness.Model.Expected(r, 40), harness.Streams[r].ToArray()));
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void The_ratio_decays_in_decode_steps_only_and_returns_when_idle()
    {
        var harness = new Harness(Harness.Options());
        harness.Add("r", Harness.Prompt(5), maxNew: 11);
        double start = harness.Scheduler.Stats.NewTokenRatio;
        harness.Step();
        Assert.Equal(start, harness.Scheduler.Stats.NewTokenRatio);
        for (int i = 0; i < 10; i++) harness.Step();
        Assert.Equal(0.7 - 10 * (0.7 - 0.098) / 600, harness.Scheduler.Stats.NewTokenRatio, 9);
        Assert.Null(harness.Step());
        Assert.Equal(start, harness.Scheduler.Stats.NewTokenRatio);
    }

    [Fact]
    public void The_cache_is_evicted_before_anything_is_retracted()
    {
        var harness = new Harness(Harness.Options(60));
        var evictions = new List<TimeSpan>();
        harness.Scheduler.Evicted = evictions.Add;
        harness.Add("cached", Harness.Prompt(40, 500), maxNew: 1);
        harness.Drain();
        Assert.Empty(evictions);
        harness.Add("r", Harness.Prompt(5), maxNew: 40);
        harness.Drain();
        SchedulerStats stats = harness.Scheduler.Stats;
        Assert.Equal(0, stats.NumRetracted);
        Assert.Equal(24, stats.EvictedTokens); // 5 + 39 tokens in KV, 20 were free
        Assert.NotEmpty(evictions);
        Assert.All(evictions, took => Assert.True(took >= TimeSpan.Zero));
    }
}
