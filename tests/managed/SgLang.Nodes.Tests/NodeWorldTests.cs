using System.Text.RegularExpressions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;

namespace SgLang.Nodes.Tests;

/// <summary>Worlds of several nodes answer as one process does.</summary>
public sealed class NodeWorldTests
{
    private static EngineOptions Options(int nodes, int tp, int pp, int dp) => TestModels.DemoOptions with
    {
        NumNodes = nodes, TpSize = tp, PpSize = pp, DpSize = dp, NumThreads = 2, LoadBalanceMethod = LoadBalanceMethod.RoundRobin,
    };

    private static GenerationRequest Sampled(string rid, int seed, int length = 20, int newTokens = 24) => new()
    {
        Rid = rid,
        InputIds = [.. Enumerable.Range(0, length).Select(i => (i * 37 + seed) % 4000)],
        Sampling = new SamplingParams
        {
            Temperature = 0.8, TopP = 0.9, TopK = 50, MinP = 0.001, MaxNewTokens = newTokens, IgnoreEos = true, Seed = seed, RepetitionPenalty = 1.1, FrequencyPenalty = 0.2,
            LogitBias = seed % 2 == 0 ? new Dictionary<int, float> { [seed + 5] = 2.5f } : null,
        },
        Logprobs = seed % 3 == 0 ? new LogprobOptions { StartLength = 0, TopCount = 2, TokenIds = [seed, 7] } : null,
    };

    private static async Task<Collected[]> RunAsync(InferenceEngine engine) =>
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Collected.ReadAsync(engine.Submit(Sampled($"r{i}", i, 5 + 17 * i)))));

    private static void AssertSame(Collected[] expected, Collected[] got)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Ids, got[i].Ids);
            Assert.Equal(expected[i].Logprobs.Select(score => score.Logprob!.Value), got[i].Logprobs.Select(score => score.Logprob!.Value), (a, b) => Math.Abs(a - b) < 1e-4);
            Assert.Equal(expected[i].InputLogprobs.Count, got[i].InputLogprobs.Count);
            Assert.Equal(expected[i].Top.Select(top => top[0].TokenId), got[i].Top.Select(top => top[0].TokenId));
            Assert.Equal(expected[i].InputTop.Skip(1).Select(top => top![0].TokenId), got[i].InputTop.Skip(1).Select(top => top![0].TokenId));
        }
    }

    [Theory]
    [InlineData(2, 1, 1, 2)]
    [InlineData(3, 1, 1, 3)]
    [InlineData(2, 1, 2, 1)]
    [InlineData(3, 1, 3, 1)]
    [InlineData(2, 2, 2, 1)]
    [InlineData(2, 1, 2, 2)]
    [InlineData(2, 1, 4, 1)]
    [InlineData(3, 1, 2, 3)]
    public async Task Nodes_together_draw_what_one_does(int nodes, int tp, int pp, int dp)
    {
        await using InferenceEngine one = InferenceEngine.Start(Options(1, tp, 1, 1));
        await using World world = await World.StartAsync(Options(nodes, tp, pp, dp));
        AssertSame(await RunAsync(one), await RunAsync(world.Engine));
        // What is cached is there for a second time, on whichever replica.
        AssertSame(await RunAsync(one), await RunAsync(world.Engine));
    }

    [Fact]
    public async Task Retracted_requests_go_on_with_their_penalties_on_another_node()
    {
        // A pool that the requests outgrow together.
        EngineOptions options = Options(2, 1, 2, 1) with { MaxTotalTokens = 384, PageSize = 4, ScheduleConservativeness = 0.01 };
        await using InferenceEngine one = InferenceEngine.Start(TestModels.DemoOptions);
        await using World world = await World.StartAsync(options);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => Unforeseen(Sampled($"r{i}", 2 * i + 1, 40, 120)))];
        // Admission sets aside what those that come together may need, so they come one by one.
        List<Task<Collected>> running = [];
        foreach (GenerationRequest request in requests)
        {
            long numSteps = world.Engine.Stats.NumSteps;
            running.Add(Collected.ReadAsync(world.Engine.Submit(request)));
            while (world.Engine.Stats.NumSteps < numSteps + 3) await Task.Delay(1);
        }
        Collected[] got = await Task.WhenAll(running);
        Assert.True(world.Engine.Stats.NumRetracted > 0, "nothing was retracted, so nothing was tested");
        for (int i = 0; i < requests.Length; i++) Assert.Equal((await Collected.ReadAsync(one.Submit(requests[i]))).Ids, got[i].Ids);

        // Admission foresees the length of requests that ignore the end of sequence, and retracts none.
        static GenerationRequest Unforeseen(GenerationRequest request) =>
            request with { Logprobs = null, Sampling = request.Sampling with { IgnoreEos = false, MinNewTokens = request.Sampling.MaxNewTokens!.Value } };
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public async Task Grammars_hold_on_other_nodes(int pp, int dp)
    {
        await using World world = await World.StartAsync(Options(2, 1, pp, dp));
        for (int i = 0; i < 4; i++)
        {
            GenerationRequest request = new()
            {
                Rid = $"g{i}",
                InputIds = [1, 2, 3, i],
                Sampling = new SamplingParams { Temperature = 1.2, Seed = i, MaxNewTokens = 60, Grammar = new GrammarSpec(GrammarKind.Regex, "[A-Z][a-z]{2,9}(, [a-z]{3,8}){2}\\.") },
            };
            Collected answer = await Collected.ReadAsync(await world.Engine.SubmitAsync(request));
            Assert.True(Regex.IsMatch(answer.Text, "^[A-Z][a-z]{2,9}(, [a-z]{3,8}){2}\\.$"), answer.Text);
        }
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public async Task Embeddings_and_scores_of_named_ids_come_from_other_nodes(int pp, int dp)
    {
        await using InferenceEngine one = InferenceEngine.Start(TestModels.DemoOptions);
        await using World world = await World.StartAsync(Options(2, 1, pp, dp));
        for (int i = 0; i < 4; i++)
        {
            GenerationRequest embedded = new() { Rid = $"e{i}", InputIds = [5, 9, i, 4], WantsEmbedding = true, Sampling = new SamplingParams { MaxNewTokens = 0 } };
            Assert.Equal(await EmbeddingAsync(one, embedded), await EmbeddingAsync(world.Engine, embedded));
            GenerationRequest scored = Sampled($"s{i}", 3 * i);
            Assert.Equal(await ChosenAsync(one, scored), await ChosenAsync(world.Engine, scored));
        }

        static async Task<float[]> EmbeddingAsync(InferenceEngine engine, GenerationRequest request)
        {
            await using Generation generation = engine.Submit(request);
            GenerationChunk chunk = (await generation.ReadAsync())!;
            return [.. chunk.Embedding!];
        }

        static async Task<TokenLogprob[]> ChosenAsync(InferenceEngine engine, GenerationRequest request)
        {
            await using Generation generation = engine.Submit(request);
            GenerationChunk chunk = (await generation.ReadAsync())!;
            Assert.NotEmpty(chunk.ChosenLogprobs);
            return [.. chunk.ChosenLogprobs.SelectMany(scores => scores), .. chunk.InputChosenLogprobs.SelectMany(scores => scores ?? [])];
        }
    }

    [Fact]
    public async Task Nodes_end_with_node_0()
    {
        World world = await World.StartAsync(Options(3, 1, 1, 3));
        await world.DisposeAsync();
        Assert.All(world.Workers, worker => Assert.Equal(0, worker.Result));
    }
}
