using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class PrefillPlannerTests
{
    [Fact]
    public void A_chunk_is_shared_in_order_and_the_last_prompt_is_cut()
    {
        var harness = new Harness(Harness.Options(100_000) with { ChunkedPrefillSize = 8192 });
        harness.Add("a", Harness.Prompt(3000));
        harness.Add("b", Harness.Prompt(4000, 10_000));
        Request cut = harness.Add("c", Harness.Prompt(5000, 20_000));
        harness.Add("d", Harness.Prompt(4384, 30_000));

        StepPlan plan = harness.Step()!;
        Assert.Equal([3000, 4000, 1192], Counts(plan));
        Assert.Equal([0, 1], plan.SampleIndex.ToArray());
        Assert.Equal(RequestState.Prefill, cut.State);

        plan = harness.Step()!;
        Assert.Equal([3808, 4384], Counts(plan));
        Assert.Equal([0, 1], plan.SampleIndex.ToArray());
        Assert.Equal(StepKind.Prefill, plan.Kind);
        harness.Drain();
        harness.AssertIdleAndWhole();
    }

    [Fact]
    public void Memory_for_the_future_of_one_request_keeps_the_next_one_out()
    {
        var harness = new Harness(Harness.Options(10_000));
        harness.Add("a", Harness.Prompt(4000), maxNew: 4000);
        Request late = harness.Add("b", Harness.Prompt(1000, 50_000), maxNew: 1000);
        Assert.Equal([4000], Counts(harness.Step()!));
        Assert.Equal(RequestState.Queued, late.State);
    }

    [Fact]
    public void A_running_request_reserves_only_its_expected_share()
    {
        var harness = new Harness(Harness.Options(10_000));
        harness.Add("a", Harness.Prompt(4000), maxNew: 4000);
        harness.Step();
        harness.Add("b", Harness.Prompt(1000, 50_000), maxNew: 1000); // needs 2001 of 6000 - 0.7 * 3999
        Assert.Equal([1000], Counts(harness.Step()!));
    }

    [Fact]
    public void A_request_clipped_in_admission_still_runs_to_its_maximum()
    {
        var harness = new Harness(Harness.Options(20_000)) { ChecksInvariants = false };
        Request request = harness.Add("a", [1, 2, 3], maxNew: 5000);
        harness.Add("b", Harness.Prompt(10_000, 100), maxNew: 10); // would not fit if 5000 rather than 4096 were set aside
        Assert.Equal(2, harness.Step()!.NumRequests);
        harness.Drain();
        Assert.Equal(5000, request.OutputLength);
    }

    [Fact]
    public void Without_chunking_max_prefill_tokens_ends_the_step_but_never_refuses_the_first()
    {
        var harness = new Harness(Harness.Options(10_000) with { MaxPrefillTokens = 100 });
        harness.Add("a", Harness.Prompt(300));
        harness.Add("b", Harness.Prompt(60, 1000));
        harness.Add("c", Harness.Prompt(40, 2000));
        harness.Add("d", Harness.Prompt(39, 3000));
        Assert.Equal([300], Counts(harness.Step()!));
        Assert.Equal([60], Counts(harness.Step()!)); // 40 >= 100 - 60
        Assert.Equal([40, 39], Counts(harness.Step()!));
    }

    [Fact]
    public void Rows_limit_admission()
    {
        var harness = new Harness(Harness.Options(maxRunning: 2));
        for (int i = 0; i < 3; i++) harness.Add($"r{i}", Harness.Prompt(5, 10 * i), maxNew: 3);
        Assert.Equal(2, harness.Step()!.NumRequests);
        Assert.Equal(StepKind.Decode, harness.Step()!.Kind);
        Assert.Equal(StepKind.Decode, harness.Step()!.Kind);
        Assert.Equal([5], Counts(harness.Step()!));
    }

    [Fact]
    public void One_token_of_a_cached_prompt_is_computed_again()
    {
        var harness = new Harness(Harness.Options());
        harness.Add("first", Harness.Prompt(10), maxNew: 1);
        harness.Drain();
        Request second = harness.Add("second", Harness.Prompt(10), maxNew: 1);
        StepPlan plan = harness.Step()!;
        Assert.Equal([1], Counts(plan));
        Assert.Equal(9, second.CachedTokens);
        Assert.Equal(9, plan.NumCachedTokens);
        Assert.Equal(0.9, harness.Scheduler.Stats.CacheHitRate);
    }

    [Fact]
    public void Scored_positions_are_not_taken_from_the_cache()
    {
        var harness = new Harness(Harness.Options());
        harness.Add("first", Harness.Prompt(10), maxNew: 1);
        harness.Drain();
        Request scored = harness.Add("scored", Harness.Prompt(10), maxNew: 1, logprobs: new LogprobOptions { StartLength = 4 });
        StepPlan plan = harness.Step()!;
        Assert.Equal(4, scored.CachedTokens);
        Assert.True(plan.HasInputLogprobs);
        Assert.Equal([0], plan.InputLogprobStart.ToArray());
        Assert.Equal([5, 6, 7, 8, 9, -1], plan.LogprobTargets.ToArray());
    }

    [Fact]
    public void The_logprob_window_moves_through_the_chunks()
    {
        var harness = new Harness(Harness.Options() with { ChunkedPrefillSize = 4 });
        Request request = harness.Add("r", Harness.Prompt(10, 100), maxNew: 2, logprobs: new LogprobOptions { StartLength = 5 });
        var windows = new List<string>();
        harness.OnPlan = plan => windows.Add($"{plan.InputLogprobStart[0]}:{plan.HasInputLogprobs}:{string.Join(',', plan.LogprobTargets.ToArray())}");
        harness.Drain();
        Assert.Equal(["4:False:", "1:True:105,106,107,108", "0:True:109,-1", "1:False:"], windows);
        Assert.Equal(10, request.NextInputLogprob);
    }

    [Fact]
    public void Zero_new_tokens_computes_the_prompt_and_samples_nothing()
    {
        var harness = new Harness(Harness.Options());
        Request request = harness.Add("warm", Harness.Prompt(10), maxNew: 0);
        StepPlan plan = harness.Step()!;
        Assert.Equal(0, plan.NumSamples);
        Assert.Equal(FinishReason.Length, request.Finish);
        Assert.Equal(0, request.OutputLength);
        Assert.Equal(10, harness.Scheduler.Stats.EvictableTokens);
        harness.AssertIdleAndWhole();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    public void Chunks_need_not_be_whole_pages(int chunk)
    {
        var harness = new Harness(Harness.Options(100, 16) with { ChunkedPrefillSize = chunk });
        harness.Add("r", Harness.Prompt(129), maxNew: 2);
        var counts = new List<int>();
        harness.OnPlan = plan => counts.Add(plan.NumPrefillTokens);
        harness.Drain();
        Assert.Equal(129, counts.Sum());
        Assert.Equal((129 + chunk - 1) / chunk + 1, counts.Count); // and one decode step
    }

    [Fact]
    public void Mixed_chunk_decodes_beside_the_prompts()
    {
        var harness = new Harness(Harness.Options() with { ChunkedPrefillSize = 10, EnableMixedChunk = true });
        harness.Add("a", Harness.Prompt(5));
        harness.Add("b", Harness.Prompt(5, 50));
        harness.Step();
        harness.Add("c", Harness.Prompt(12, 100));
        StepPlan plan = harness.Step()!;
        Assert.Equal(StepKind.Mixed, plan.Kind);
        Assert.Equal([8, 1, 1], Counts(plan)); // 10 less one for each decode
        Assert.Equal([1, 2], plan.SampleIndex.ToArray());
        Assert.Equal(1, plan.NumPrefillRequests);
        Assert.Equal([4, 1, 1], Counts(harness.Step()!));
        harness.Drain();
        harness.AssertIdleAndWhole();
    }

    // Setting everything aside: 5 + 50 + 1 >= 40 - 0.7 * 4. Walked in order of ending: a's 61 tokens return before b needs them.
    [InlineData(60, 5, 50, 1, 2)]
    // Setting aside an expected share: 5 + 45 + 1 < 91 - 0.7 * 49. Walked to the known ends: 86 - 2 * 45 < 0.
    [InlineData(9, 50, 45, 2, 1)]
    [Theory]
    public void Requests_that_ignore_eos_are_admitted_by_when_memory_returns(int promptA, int maxNewA, int maxNewB, int usually, int ignoringEos)
    {
        Assert.Equal(usually, Admitted(ignoreEos: false));
        Assert.Equal(ignoringEos, Admitted(ignoreEos: true));

        int Admitted(bool ignoreEos)
        {
            var harness = new Harness(Harness.Options(100) with { DisableRadixCache = true });
            harness.Add("a", Harness.Prompt(promptA), maxNewA, ignoreEos: ignoreEos);
            harness.Step();
            harness.Add("b", Harness.Prompt(5, 100), maxNewB, ignoreEos: ignoreEos);
            harness.Step();
            int running = harness.Scheduler.Stats.NumRunning;
            harness.Drain();
            harness.AssertIdleAndWhole();
            return running;
        }
    }

    private static int[] Counts(StepPlan plan) =>
        [.. Enumerable.Range(0, plan.NumRequests).Select(i => plan.QueryStart[i + 1] - plan.QueryStart[i])];
}
