using SgLang.Core;

namespace SgLang.Engine.Tests;

public sealed class RequestGroupTests
{
    private const int PageSize = 16, PromptPages = 10, Copies = 5;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Copies_of_a_prompt_hold_its_pages_once_and_compute_it_once(bool disableRadixCache)
    {
        using ManualResetEventSlim submitted = new(), gate = new();
        long computed = 0;
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            Interlocked.Add(ref computed, plan.NumPrefillTokens);
            // The first copy may not end before the others have come, nor any before all have been looked at.
            if (plan is { NumRequests: < Copies, NumPrefillTokens: 0 }) submitted.Wait();
            if (plan is { NumRequests: Copies, NumPrefillTokens: 0 }) gate.Wait();
            outcome.Ids(plan).Fill(5);
        }, new EngineOptions { ModelPath = "scripted", PageSize = PageSize, DisableRadixCache = disableRadixCache });
        // The last token of the prompt and all output fit the one page that each copy has for itself.
        GenerationRequest request = ScriptedEngine.Request("copy", (PromptPages * PageSize) + 1, maxNewTokens: PageSize - 1);
        Generation[] generations;
        int expectedPages = disableRadixCache ? Copies * (PromptPages + 1) : PromptPages + Copies;
        try
        {
            generations = await engine.SubmitGroupAsync([.. Enumerable.Range(0, Copies).Select(i => request with { Rid = $"copy{i}" })]);
            submitted.Set();
            await Eventually.Is(() => engine.Stats is { NumRunning: Copies } stats && stats.UsedTokens == expectedPages * PageSize, () => engine.Stats.ToString());
        }
        finally
        {
            submitted.Set();
            gate.Set();
        }
        Collected[] results = await Task.WhenAll(generations.Select(Collected.ReadAsync));
        Assert.All(results, result => Assert.Equal(PageSize - 1, result.Ids.Count));
        Assert.Equal(disableRadixCache ? Copies * request.InputIds.Length : request.InputIds.Length + Copies - 1, Volatile.Read(ref computed));
        Assert.Equal(0, generations[0].CachedTokens);
        Assert.All(generations[1..], copy => Assert.Equal(disableRadixCache ? 0 : PromptPages * PageSize, copy.CachedTokens));
    }

    [Fact]
    public async Task Copies_follow_the_first_to_its_replica_and_prompts_keep_their_order()
    {
        await using InferenceEngine engine = ScriptedEngine.Start([Fill(0), Fill(1)]);
        GenerationRequest a = ScriptedEngine.Request("a", 40, maxNewTokens: 3), b = ScriptedEngine.Request("b", 40, maxNewTokens: 3) with { InputIds = [.. Enumerable.Range(100, 40)] };
        Generation[] generations = await engine.SubmitGroupAsync([a with { Rid = "a0" }, a with { Rid = "a1" }, a with { Rid = "a2" }, b with { Rid = "b0" }, b with { Rid = "b1" }]);
        Assert.Equal(["a0", "a1", "a2", "b0", "b1"], generations.Select(generation => generation.Rid));
        Collected[] results = await Task.WhenAll(generations.Select(Collected.ReadAsync));
        Assert.Equal([0, 32, 32, 0, 32], generations.Select(generation => generation.CachedTokens));
        Assert.All(results[..3], result => Assert.Equal(results[0].Ids, result.Ids));
        Assert.NotEqual(results[0].Ids[0], results[3].Ids[0]);

        static Action<Scheduling.StepPlan, StepOutcome> Fill(int replica) => (plan, outcome) => outcome.Ids(plan).Fill(replica);
    }

    [Fact]
    public async Task A_refused_copy_takes_the_others_with_it()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
        GenerationRequest request = ScriptedEngine.Request("x", 40, maxNewTokens: 4000);
        RequestRejectedException refused = await Assert.ThrowsAsync<RequestRejectedException>(async () =>
            await engine.SubmitGroupAsync([request with { Rid = "x0" }, request with { Rid = "x1" }, request with { Rid = "x0" }]));
        Assert.Equal("Duplicate request ID detected: x0", refused.Message);
        await Eventually.Is(() => engine.Stats is { NumRunning: 0, NumWaiting: 0, UsedTokens: 0 }, () => engine.Stats.ToString());
    }

    [Fact]
    public async Task Whoever_waits_for_a_first_copy_that_cannot_run_is_answered()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => throw new InvalidOperationException("no luck"));
        GenerationRequest request = ScriptedEngine.Request("x", 40);
        Generation[] generations = await engine.SubmitGroupAsync([request with { Rid = "x0" }, request with { Rid = "x1" }]);
        Assert.All(await Task.WhenAll(generations.Select(Collected.ReadAsync)), result => Assert.Equal(500, result.Finish.StatusCode));
    }

    [Fact]
    public async Task A_client_that_leaves_while_copies_wait_takes_the_first_with_it()
    {
        using ManualResetEventSlim gate = new();
        using CancellationTokenSource leaving = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            gate.Wait();
            outcome.Ids(plan).Fill(5);
        });
        GenerationRequest request = ScriptedEngine.Request("x", 40, maxNewTokens: 4000);
        ValueTask<Generation[]> submitting = engine.SubmitGroupAsync([request with { Rid = "x0" }, request with { Rid = "x1" }], leaving.Token);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await submitting);
        gate.Set();
        await Eventually.Is(() => engine.Stats is { NumRequests: 1, NumRunning: 0, UsedTokens: 0 }, () => engine.Stats.ToString());
    }
}
