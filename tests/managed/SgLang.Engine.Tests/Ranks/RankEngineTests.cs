using SgLang.Core;
using SgLang.Models;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Engines of several ranks and replicas, beyond what the goldens show.</summary>
public sealed class RankEngineTests(ITestOutputHelper output)
{
    private static GenerationRequest Sampled(string rid, int seed) => new()
    {
        Rid = rid,
        InputIds = [.. Enumerable.Range(0, 20).Select(i => (i * 37 + seed) % 4000)],
        Sampling = new SamplingParams
        {
            Temperature = 0.8, TopP = 0.9, TopK = 50, MaxNewTokens = 24, IgnoreEos = true, Seed = seed, RepetitionPenalty = 1.1, FrequencyPenalty = 0.2,
        },
        Logprobs = new LogprobOptions { StartLength = 0, TopCount = 2 },
    };

    private static async Task<int[][]> RunAsync(EngineOptions options)
    {
        await using InferenceEngine engine = InferenceEngine.Start(options);
        Generation[] generations = [.. Enumerable.Range(0, 12).Select(i => engine.Submit(Sampled($"r{i}", i)))];
        Collected[] results = await Task.WhenAll(generations.Select(Collected.ReadAsync));
        Assert.All(results, result => Assert.Equal(24, result.Ids.Count));
        Assert.All(results, result => Assert.Equal(20, result.InputLogprobs.Count));
        return [.. results.Select(result => result.Ids.ToArray())];
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(4, 1)]
    [InlineData(2, 2)]
    public async Task Sampled_tokens_with_penalties_repeat_from_run_to_run(int tp, int pp)
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = tp, PpSize = pp };
        int[][] first = await RunAsync(options), second = await RunAsync(options);
        for (int i = 0; i < first.Length; i++) Assert.Equal(first[i], second[i]);
    }

    /// <summary>
    /// Greedy requests alone draw over parts of the vocabulary; with log-probabilities, or beside one that samples, the logits are gathered. The
    /// prompts are new every time.
    /// </summary>
    [Theory]
    [InlineData(2, 1)]
    [InlineData(4, 1)]
    [InlineData(2, 2)]
    public async Task Greedy_tokens_are_the_same_whether_or_not_logits_are_gathered(int tp, int pp)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int[][] prompts = [.. Enumerable.Range(0, 6).Select(_ => (int[])[.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(4000))])];
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with { TpSize = tp, PpSize = pp, DisableRadixCache = true });
        for (int i = 0; i < prompts.Length; i++)
        {
            GenerationRequest plain = new() { Rid = $"p{i}", InputIds = prompts[i], Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 16, IgnoreEos = true } };
            int[] alone = [.. (await Collected.ReadAsync(engine.Submit(plain))).Ids];
            Assert.Equal(16, alone.Length);
            Assert.Equal(alone, (await Collected.ReadAsync(engine.Submit(plain with { Rid = $"l{i}", Logprobs = new LogprobOptions() }))).Ids);
        }
    }

    /// <summary>A step has half of the requests, so that there are twice as many.</summary>
    [Theory]
    [InlineData(null, 48)]
    [InlineData(3, 6)]
    public async Task Stages_work_on_different_requests_at_once(int? microBatch, int running)
    {
        EngineOptions one = TestModels.DemoOptions with { MaxRunningRequests = 48 }, two = one with { PpSize = 2, PpMaxMicroBatchSize = microBatch };
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => Sampled($"r{i}", i) with { Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 24, IgnoreEos = true } })];
        List<int[]>[] ids = [[], []];
        long[] steps = new long[2];
        for (int run = 0; run < 2; run++)
        {
            await using InferenceEngine engine = InferenceEngine.Start(run == 0 ? one : two);
            Assert.Equal(run == 0 ? 48 : running, engine.Info.MaxRunningRequests);
            Generation[] generations = [.. requests.Select(engine.Submit)];
            foreach (Collected result in await Task.WhenAll(generations.Select(Collected.ReadAsync))) ids[run].Add([.. result.Ids]);
            steps[run] = engine.Stats.NumSteps;
        }
        Assert.Equal(ids[0], ids[1]);
        // 23 decode steps of all, a few more where they did not begin together; 46 of half of them.
        Assert.InRange(steps[0], 24, 40);
        Assert.True(steps[1] >= 46 + 1, $"{steps[1]} steps");
    }

    [Fact]
    public async Task Ranks_share_the_cpus_threads_and_hold_a_part_of_the_weights_each()
    {
        await using InferenceEngine one = InferenceEngine.Start(TestModels.DemoOptions with { NumThreads = 4 });
        await using InferenceEngine four = InferenceEngine.Start(TestModels.DemoOptions with { NumThreads = 4, TpSize = 4 });
        Assert.Equal((4, 4), (one.Info.NumThreads, four.Info.NumThreads));
        // Norms and the rotary table are on every rank.
        Assert.InRange(four.Info.WeightBytes, one.Info.WeightBytes, one.Info.WeightBytes * 1.2);
        Assert.Equal(one.Info.MaxTotalTokens, four.Info.MaxTotalTokens);
        Assert.Equal((4, 1, 1, 1), (four.Info.TpSize, four.Info.PpSize, four.Info.EpSize, four.Info.DpSize));
    }

    [Theory]
    [InlineData(3, 1, 1, "--tp-size is 3; it must divide num_attention_heads, 4.")]
    [InlineData(1, 7, 1, "--pp-size is 7; it must be at most num_hidden_layers, 6.")]
    [InlineData(1, 1, 0, "--dp-size must be in [1, 64], got 0.")]
    public void A_layout_that_cannot_be_says_what_to_change(int tp, int pp, int dp, string message)
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = tp, PpSize = pp, DpSize = dp };
        Assert.Equal(message, Assert.Throws<EngineStartException>(() => InferenceEngine.Start(options)).Message);
    }

    [Fact]
    public void A_rank_that_cannot_load_ends_the_start_with_its_reason()
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = 2, MaxTotalTokens = 1 };
        Assert.StartsWith("--max-total-tokens 1 leaves", Assert.Throws<EngineStartException>(() => InferenceEngine.Start(options)).Message);
    }

    [Fact]
    public void Gpus_are_counted_from_the_base_or_named_by_the_map()
    {
        EngineOptions options = TestModels.DemoOptions with { BaseGpuId = 1, GpuIdStep = 2 };
        Assert.Equal([1, 3, 5], RankDevices.Gpus(options, 3, 8));
        Assert.Equal([2, 0], RankDevices.Gpus(options with { DeviceMap = [2, 0] }, 2, 4));
        Assert.Contains("this machine has 4", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(options, 3, 4)).Message);
        Assert.Contains("given to two ranks", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(options with { DeviceMap = [1, 1] }, 2, 4)).Message);
        Assert.Equal([0, 1, 1], RankDevices.Gpus(options with { DeviceMap = [0, 1, 1], AllowSharedDevice = true }, 3, 4));
        Assert.Equal([0, 0, 0, 0], RankDevices.Gpus(TestModels.DemoOptions with { AllowSharedDevice = true, TpSize = 4 }, 4, 1));
        Assert.Equal([1, 3, 1], RankDevices.Gpus(options with { AllowSharedDevice = true }, 3, 5));
        Assert.Contains("--allow-shared-device", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(options with { DeviceMap = [1, 1] }, 2, 4)).Message);
        Assert.Contains("use --pp-size 1", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(options with { DeviceMap = [1, 1], AllowSharedDevice = true, PpSize = 2 }, 2, 4)).Message);
        Assert.Contains("at most 8 ranks", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(TestModels.DemoOptions with { AllowSharedDevice = true, TpSize = 16 }, 16, 1)).Message);
        Assert.Contains("--device-map names 1 GPUs", Assert.Throws<EngineStartException>(() => RankDevices.Gpus(options with { DeviceMap = [1] }, 2, 4)).Message);
    }
}
