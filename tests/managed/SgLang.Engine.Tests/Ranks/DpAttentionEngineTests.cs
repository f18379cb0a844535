using SgLang.Core;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Replicas that share the ranks of one, as whole engines.</summary>
public sealed class DpAttentionEngineTests(ITestOutputHelper output)
{
    private static readonly EngineOptions s_two = TestModels.DemoOptions with { TpSize = 2, DpSize = 2, EnableDpAttention = true, NumThreads = 2 };

    private static GenerationRequest Request(string rid, int[] prompt, int maxNewTokens, int rank) => new()
    {
        Rid = rid, InputIds = prompt, Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = maxNewTokens, IgnoreEos = true }, DpRank = rank,
    };

    /// <summary>Each replica's own requests, of new lengths every time, begin and end while the other decodes, prefills, or has nothing.</summary>
    [Theory]
    [InlineData(2, 2)]
    [InlineData(4, 2)]
    public async Task Tokens_are_those_of_one_rank_whatever_the_other_replica_does(int tp, int dp)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(_ => (int[])[.. Enumerable.Range(0, random.Next(1, 90)).Select(_ => random.Next(4000))])];
        int[] lengths = [.. prompts.Select(_ => random.Next(1, 24))];
        int[][] expected = new int[prompts.Length][];
        EngineOptions float32 = TestModels.DemoOptions with { DType = ModelDType.Float32, ChunkedPrefillSize = 32 };
        await using (InferenceEngine one = InferenceEngine.Start(float32))
        {
            for (int i = 0; i < prompts.Length; i++) expected[i] = [.. (await Collected.ReadAsync(one.Submit(Request($"one-{i}", prompts[i], lengths[i], 0)))).Ids];
        }
        await using InferenceEngine engine = InferenceEngine.Start(float32 with { TpSize = tp, DpSize = dp, EnableDpAttention = true, NumThreads = tp });
        Assert.Equal((tp, dp), (engine.Info.TpSize, engine.Info.DpSize));
        // Nothing at all beside the first.
        Assert.Equal(expected[0], (await Collected.ReadAsync(engine.Submit(Request("alone", prompts[0], lengths[0], dp - 1)))).Ids);
        Task<Collected>[] answers = new Task<Collected>[prompts.Length];
        for (int i = 0; i < prompts.Length; i++)
        {
            answers[i] = Collected.ReadAsync(engine.Submit(Request($"r{i}", prompts[i], lengths[i], i % 3 == 0 ? 0 : dp - 1)));
            await Task.Delay(random.Next(4));
        }
        Collected[] results = await Task.WhenAll(answers);
        for (int i = 0; i < results.Length; i++) Assert.Equal(expected[i], results[i].Ids);
    }

    /// <summary>Penalties count the draws of a replica's own steps, between which its ranks have passed padding through the layers for the other.</summary>
    [Fact]
    public async Task Sampled_tokens_with_penalties_are_the_same_beside_another_replica_and_alone()
    {
        GenerationRequest wanted = new()
        {
            Rid = "w", InputIds = [.. Enumerable.Range(0, 20).Select(i => i * 37 % 4000)], DpRank = 0, Logprobs = new LogprobOptions { StartLength = 0, TopCount = 2 },
            Sampling = new SamplingParams { Temperature = 0.8, TopP = 0.9, TopK = 50, MaxNewTokens = 24, IgnoreEos = true, Seed = 5, RepetitionPenalty = 1.1, FrequencyPenalty = 0.2 },
        };
        await using InferenceEngine engine = InferenceEngine.Start(s_two with { DType = ModelDType.Float32, DisableRadixCache = true });
        Collected alone = await Collected.ReadAsync(engine.Submit(wanted));
        Task<Collected>[] others = [.. Enumerable.Range(0, 4).Select(i => Collected.ReadAsync(engine.Submit(Request($"o{i}", [1, 2, 3 + i], 10 + 9 * i, 1))))];
        Collected beside = await Collected.ReadAsync(engine.Submit(wanted with { Rid = "v" }));
        await Task.WhenAll(others);
        Assert.Equal(alone.Ids, beside.Ids);
        Assert.Equal(20, beside.InputLogprobs.Count);
        for (int i = 0; i < 24; i++) Assert.Equal(alone.Logprobs[i].Logprob!.Value, beside.Logprobs[i].Logprob!.Value, 1e-3);
    }

    /// <summary>A cache and a scheduler each, half of the ranks each; MLPs once for all, attention and vocabulary once for each replica.</summary>
    [Fact]
    public async Task Replicas_have_caches_of_their_own_and_share_the_mlps()
    {
        await using InferenceEngine one = InferenceEngine.Start(TestModels.DemoOptions), shared = InferenceEngine.Start(s_two), whole = InferenceEngine.Start(TestModels.DemoOptions with { DpSize = 2, NumThreads = 2 });
        Assert.InRange(shared.Info.WeightBytes, one.Info.WeightBytes + 1, whole.Info.WeightBytes - 1);
        int[] prompt = [.. Enumerable.Range(0, 64)];
        await Collected.ReadAsync(shared.Submit(Request("a", prompt, 2, 1)));
        Generation other = shared.Submit(Request("b", prompt, 2, 0)), same = shared.Submit(Request("c", prompt, 2, 1));
        await Task.WhenAll(Collected.ReadAsync(other), Collected.ReadAsync(same));
        Assert.Equal((0, 48), (other.CachedTokens, same.CachedTokens));
        Assert.Equal([1, 2], shared.ReplicaStats.Select(stats => (int)stats.NumRequests));
    }

    [Theory]
    [InlineData(4, 3, 1, "--dp-size must divide --tp-size, 4, with --enable-dp-attention, got 3: each replica attends with --tp-size / --dp-size ranks.")]
    [InlineData(2, 2, 2, "--pp-size must be 1 with --enable-dp-attention, got 2.")]
    public void A_layout_that_cannot_be_says_what_to_change(int tp, int dp, int pp, string message)
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = tp, DpSize = dp, PpSize = pp, EnableDpAttention = true };
        Assert.Equal(message, Assert.Throws<EngineStartException>(() => InferenceEngine.Start(options)).Message);
    }
}
