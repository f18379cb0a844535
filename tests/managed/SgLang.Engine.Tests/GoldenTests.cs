using SgLang.Core;

namespace SgLang.Engine.Tests;

/// <summary>The whole engine against the reference's outputs, whatever the batch, the pages and the order of work.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string, EngineOptions> Settings => new()
    {
        { "defaults", TestModels.DemoOptions },
        { "no overlap", TestModels.DemoOptions with { DisableOverlapSchedule = true } },
        { "page size 1", TestModels.DemoOptions with { PageSize = 1, MaxTotalTokens = 4096 } },
        { "page size 3, chunks of 63", TestModels.DemoOptions with { PageSize = 3, ChunkedPrefillSize = 63, MaxTotalTokens = 6000 } },
        { "mixed chunks", TestModels.DemoOptions with { ChunkedPrefillSize = 64, EnableMixedChunk = true } },
        { "no prefix cache", TestModels.DemoOptions with { DisableRadixCache = true } },
        { "no chunking", TestModels.DemoOptions with { ChunkedPrefillSize = -1 } },
        { "tp 2", TestModels.DemoOptions with { TpSize = 2 } },
        { "tp 4, page size 3, mixed chunks", TestModels.DemoOptions with { TpSize = 4, PageSize = 3, ChunkedPrefillSize = 63, EnableMixedChunk = true, MaxTotalTokens = 6000 } },
        { "pp 2", TestModels.DemoOptions with { PpSize = 2 } },
        { "pp 3, no overlap", TestModels.DemoOptions with { PpSize = 3, DisableOverlapSchedule = true } },
        { "tp 2 x pp 2, chunks of 64", TestModels.DemoOptions with { TpSize = 2, PpSize = 2, ChunkedPrefillSize = 64 } },
        { "pp 2, micro-batches of 3", TestModels.DemoOptions with { PpSize = 2, PpMaxMicroBatchSize = 3, ChunkedPrefillSize = 64 } },
        { "pp 3, a micro-batch more, mixed chunks", TestModels.DemoOptions with { PpSize = 3, PpAsyncBatchDepth = 1, ChunkedPrefillSize = 64, EnableMixedChunk = true } },
        { "dp 2", TestModels.DemoOptions with { DpSize = 2 } },
        { "tp 2 x dp 2", TestModels.DemoOptions with { TpSize = 2, DpSize = 2, LoadBalanceMethod = LoadBalanceMethod.RoundRobin } },
        { "attention dp 2 of tp 2", TestModels.DemoOptions with { TpSize = 2, DpSize = 2, EnableDpAttention = true, LoadBalanceMethod = LoadBalanceMethod.RoundRobin } },
        { "attention dp 2 of tp 4, chunks of 64", TestModels.DemoOptions with { TpSize = 4, DpSize = 2, EnableDpAttention = true, ChunkedPrefillSize = 64, EnableMixedChunk = true } },
        { "attention dp 4 of tp 4, no overlap", TestModels.DemoOptions with { TpSize = 4, DpSize = 4, EnableDpAttention = true, DisableOverlapSchedule = true, LoadBalanceMethod = LoadBalanceMethod.RoundRobin } },
        { "longest prefix first", TestModels.DemoOptions with { SchedulePolicy = SchedulePolicy.Lpm } },
    };

    [Theory]
    [MemberData(nameof(Settings), DisableDiscoveryEnumeration = true)]
    public async Task Greedy_ids_are_the_references(string setting, EngineOptions options)
    {
        Assert.NotEmpty(setting);
        await using InferenceEngine engine = InferenceEngine.Start(options);
        await RunGoldensAsync(engine, rounds: 2);
    }

    [Fact]
    public async Task A_retracted_request_comes_back_with_the_same_tokens()
    {
        // Prompts share no prefix, nothing is set aside for running requests, and lengths differ, so newcomers admitted at each finish
        // overfill the small pool.
        Random random = new(11);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 80).Select(i => new GenerationRequest
        {
            Rid = $"r{i}",
            InputIds = [.. Enumerable.Range(0, random.Next(5, 30)).Select(_ => random.Next(4000))],
            Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 8 + (i * 7 % 41), IgnoreEos = true },
        })];
        List<int[]>[] outputs = [[], []];
        long[] retractions = new long[2];
        for (int run = 0; run < 2; run++)
        {
            await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with
            {
                PageSize = 4, MaxTotalTokens = run == 0 ? 8192 : 824, ScheduleConservativeness = 0,
            });
            Generation[] generations = [.. requests.Select(engine.Submit)];
            foreach (Collected result in await Task.WhenAll(generations.Select(Collected.ReadAsync))) outputs[run].Add([.. result.Ids]);
            retractions[run] = engine.Stats.NumRetracted;
        }
        Assert.Equal(0, retractions[0]);
        Assert.True(retractions[1] > 0, "nothing was retracted, so the test proves nothing");
        for (int i = 0; i < requests.Length; i++) Assert.Equal(outputs[0][i], outputs[1][i]);
    }

    /// <summary>The pool holds one request at most: all others wait, are admitted in turn, and answer as in a pool that holds all.</summary>
    [Theory]
    [InlineData(1, 8, true)]
    [InlineData(1, 8, false)]
    [InlineData(16, 48, true)]
    [InlineData(16, 48, false)]
    public async Task The_smallest_pool_serves_every_request_that_fits_it(int pageSize, int tokens, bool overlap)
    {
        await using InferenceEngine small = InferenceEngine.Start(TestModels.DemoOptions with { PageSize = pageSize, MaxTotalTokens = tokens, DisableOverlapSchedule = !overlap });
        await using InferenceEngine large = InferenceEngine.Start(TestModels.DemoOptions with { PageSize = pageSize });
        Assert.Equal(tokens, small.Info.MaxTotalTokens);
        int longest = small.Info.MaxRequestInputLength - 1;
        GenerationRequest[] requests = [.. Enumerable.Range(0, 40).Select(i => new GenerationRequest
        {
            Rid = $"r{i}", InputIds = [.. TestModels.DemoGoldens[i % 4].InputIds.Take(1 + (i % longest))],
            Sampling = new SamplingParams { Temperature = 1, Seed = i, MaxNewTokens = null, IgnoreEos = true },
        })];
        Collected[] answers = await Task.WhenAll(requests.Select(request => Collected.ReadAsync(small.Submit(request))));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(FinishReason.Length, answers[i].Finish);
            if (answers[i].Ids.Count == 0) continue; // the prompt alone takes the pool
            Collected expected = await Collected.ReadAsync(large.Submit(requests[i] with { Sampling = requests[i].Sampling with { MaxNewTokens = answers[i].Ids.Count } }));
            Assert.Equal(expected.Ids, answers[i].Ids);
        }
        Assert.Contains(answers, answer => answer.Ids.Count > 0);
        Assert.Equal(400, Assert.Throws<RequestRejectedException>(() => small.Submit(requests[0] with { Rid = "long", InputIds = new int[longest + 1] })).StatusCode);
        Assert.True(await small.FlushCacheAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, small.Stats.UsedTokens);
    }

    [Fact]
    public async Task Log_probabilities_are_the_references()
    {
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with { ChunkedPrefillSize = 64 });
        foreach (TestModels.Golden golden in TestModels.DemoGoldens)
        {
            GenerationRequest request = Greedy(golden, "lp") with { Logprobs = new LogprobOptions { StartLength = 0, TopCount = 3 } };
            Collected result = await Collected.ReadAsync(engine.Submit(request));
            Assert.Equal(golden.InputIds.Length, result.InputLogprobs.Count);
            Assert.Equal(golden.InputIds.Length, result.InputTop.Count);
            for (int i = 0; i < golden.InputIds.Length; i++)
            {
                Assert.Equal(golden.InputIds[i], result.InputLogprobs[i].TokenId);
                if (golden.PromptLogprobs[i] is { } expected) Assert.Equal(expected, result.InputLogprobs[i].Logprob!.Value, 0.01);
                else Assert.Null(result.InputLogprobs[i].Logprob);
            }
            for (int i = 0; i < golden.GreedyIds.Length && result.Ids[i] == golden.GreedyIds[i]; i++)
            {
                Assert.Equal(golden.GreedyLogprobs[i], result.Logprobs[i].Logprob!.Value, 0.01);
                Assert.Equal(3, result.Top[i].Count);
                Assert.Equal(result.Ids[i], result.Top[i][0].TokenId);
                Assert.Equal(result.Logprobs[i].Logprob!.Value, result.Top[i][0].Logprob!.Value, 1e-4);
                Assert.True(result.Top[i][0].Logprob >= result.Top[i][1].Logprob && result.Top[i][1].Logprob >= result.Top[i][2].Logprob);
            }
        }
    }

    /// <summary>A temperature of 2 halves the difference between two scores; the original ones are those of temperature 1.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Original_log_probabilities_are_those_before_temperature(int topCount)
    {
        TestModels.Golden golden = TestModels.DemoGoldens[0];
        await using InferenceEngine original = InferenceEngine.Start(TestModels.DemoOptions with { ReturnOriginalLogprobs = true });
        await using InferenceEngine usual = InferenceEngine.Start(TestModels.DemoOptions);
        GenerationRequest greedy = Greedy(golden, "lp");
        // A nucleus of one token: the draw is the greedy one at any temperature.
        GenerationRequest hot = greedy with
        {
            Sampling = greedy.Sampling with { Temperature = 2, TopP = 1e-6 },
            Logprobs = new LogprobOptions { TopCount = topCount, TokenIds = [5, 9] },
        };
        Collected scored = await Collected.ReadAsync(original.Submit(hot)), after = await Collected.ReadAsync(usual.Submit(hot));
        Assert.Equal(after.Ids, scored.Ids);
        Assert.Equal(golden.GreedyIds[0], scored.Ids[0]);
        for (int i = 0; i < golden.GreedyIds.Length && scored.Ids[i] == golden.GreedyIds[i]; i++)
        {
            Assert.Equal(golden.GreedyLogprobs[i], scored.Logprobs[i].Logprob!.Value, 0.01);
            Assert.True(after.Logprobs[i].Logprob < scored.Logprobs[i].Logprob, $"token {i}");
            Assert.Equal(2 * Difference(after.Chosen[i]), Difference(scored.Chosen[i]), 1e-3);
            if (topCount == 0) continue;
            Assert.Equal(scored.Logprobs[i].Logprob!.Value, scored.Top[i][0].Logprob!.Value, 1e-4);
            Assert.Equal(2 * Difference(after.Top[i]), Difference(scored.Top[i]), 1e-3);
        }

        static double Difference(IReadOnlyList<TokenLogprob> scores) => scores[0].Logprob!.Value - scores[1].Logprob!.Value;
    }

    /// <summary>Each scored position's own token and its runner-up, chosen by id, score as they do by rank.</summary>
    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Log_probabilities_of_chosen_ids_are_those_of_the_same_ids_found_otherwise(int startLength)
    {
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with { ChunkedPrefillSize = 16 });
        TestModels.Golden golden = TestModels.DemoGoldens[0];
        SamplingParams sampling = new() { Temperature = 0.7, Seed = 5, MaxNewTokens = 9, IgnoreEos = true, PresencePenalty = 0.5 };
        GenerationRequest request = Greedy(golden, "ranked") with { Sampling = sampling, Logprobs = new LogprobOptions { StartLength = startLength, TopCount = 4096 } };
        Collected ranked = await Collected.ReadAsync(engine.Submit(request));
        int[] ids = [4095, ranked.Ids[0], 0, golden.InputIds[^1]];
        Task<Collected>[] beside = [.. Enumerable.Range(0, 3).Select(i => Collected.ReadAsync(engine.Submit(Greedy(golden, $"beside{i}") with { Logprobs = i == 0 ? null : new LogprobOptions { TokenIds = [i] } })))];
        Collected chosen = await Collected.ReadAsync(engine.Submit(request with { Rid = "chosen", Logprobs = new LogprobOptions { StartLength = startLength, TokenIds = ids } }));
        await Task.WhenAll(beside);
        Assert.Equal(ranked.Ids, chosen.Ids);
        Assert.Equal(9, chosen.Chosen.Count);
        for (int i = 0; i < 9; i++) AssertSame(ranked.Top[i], chosen.Chosen[i]);
        Assert.Equal(startLength < 0 ? 0 : golden.InputIds.Length - startLength, chosen.InputChosen.Count);
        for (int i = 0; i < chosen.InputChosen.Count; i++)
            if (i == 0) Assert.Null(chosen.InputChosen[i]);
            else AssertSame(ranked.InputTop[i]!, chosen.InputChosen[i]!);
        Assert.All(await Task.WhenAll(beside[1..]), other => Assert.All(other.Chosen, entries => Assert.Single(entries)));

        void AssertSame(IReadOnlyList<TokenLogprob> all, IReadOnlyList<TokenLogprob> some)
        {
            Assert.Equal(ids, some.Select(entry => entry.TokenId));
            foreach (TokenLogprob entry in some) Assert.Equal(all.Single(other => other.TokenId == entry.TokenId).Logprob!.Value, entry.Logprob!.Value, 1e-3);
        }
    }

    [Fact]
    public async Task A_second_round_takes_prompts_from_the_prefix_cache()
    {
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions);
        TestModels.Golden longest = TestModels.DemoGoldens.MaxBy(golden => golden.InputIds.Length)!;
        Generation first = engine.Submit(Greedy(longest, "first"));
        await Collected.ReadAsync(first);
        Generation second = engine.Submit(Greedy(longest, "second"));
        Collected result = await Collected.ReadAsync(second);
        TestModels.AssertGreedy(longest, result.Ids);
        Assert.Equal(0, first.CachedTokens);
        Assert.InRange(second.CachedTokens, longest.InputIds.Length - 1 - TestModels.DemoOptions.PageSize, longest.InputIds.Length - 1);
    }

    private static async Task RunGoldensAsync(InferenceEngine engine, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Generation[] generations = [.. TestModels.DemoGoldens.Select((golden, i) => engine.Submit(Greedy(golden, $"g{i}")))];
            Collected[] results = await Task.WhenAll(generations.Select(Collected.ReadAsync));
            for (int i = 0; i < results.Length; i++)
            {
                Assert.Equal(FinishReason.Length, results[i].Finish);
                TestModels.AssertGreedy(TestModels.DemoGoldens[i], results[i].Ids);
            }
        }
    }

    private static GenerationRequest Greedy(TestModels.Golden golden, string rid) => new()
    {
        Rid = rid,
        InputIds = golden.InputIds,
        Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = golden.GreedyIds.Length, IgnoreEos = true },
    };
}
