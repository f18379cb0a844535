using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>What is counted of experts, and that it is the same however they are spread over ranks.</summary>
public sealed class ExpertLoadTests
{
    private const int NumRequests = 4, PromptLength = 12, NewTokens = 10;

    private static EngineOptions Mixtral => TestModels.DemoOptions with
    {
        ModelPath = Path.GetFullPath(Path.Combine(TestModels.Demo, "..", "..", "tests", "data", "models", "mixtral")),
        MaxTotalTokens = 2048, DisableRadixCache = true, EnableExpertDistributionMetrics = true,
    };

    private static async Task<ExpertLoad> RunAsync(EngineOptions options)
    {
        await using InferenceEngine engine = InferenceEngine.Start(options);
        Generation[] generations = [.. Enumerable.Range(0, NumRequests).Select(i => engine.Submit(new GenerationRequest
        {
            Rid = $"r{i}",
            InputIds = [.. Enumerable.Range(0, PromptLength).Select(t => (t * 31 + i * 17) % 200)],
            Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = NewTokens, IgnoreEos = true },
        }))];
        await Task.WhenAll(generations.Select(Collected.ReadAsync));
        return Assert.Single(engine.ExpertLoads);
    }

    [Fact]
    public async Task Every_token_is_counted_once_for_each_of_its_experts_however_they_are_spread()
    {
        ModelConfig config = ModelConfig.Load(Mixtral.ModelPath, "{}");
        // The last token of an answer is never computed.
        long expected = NumRequests * (PromptLength + NewTokens - 1) * config.NumExpertsPerToken;
        ExpertLoad one = await RunAsync(Mixtral);
        Assert.Equal(config.NumLayers, one.TokensByLayer.Count);
        foreach (EngineOptions options in (EngineOptions[])[Mixtral, Mixtral with { TpSize = 4, EpSize = 4 }, Mixtral with { TpSize = 2, EpSize = 2, PpSize = 2 }])
        {
            ExpertLoad load = await RunAsync(options);
            Assert.Equal(one.TokensByLayer.Keys, load.TokensByLayer.Keys);
            Assert.All(load.TokensByLayer.Values, tokens => Assert.Equal(expected, tokens.Sum()));
            Assert.Equal(options.EpSize, load.TokensByPart.Length);
            Assert.Equal(expected * config.NumLayers, load.TokensByPart.Sum());
            Assert.InRange(load.Balancedness, 1.0 / options.EpSize, 1);
            // A router's near tie may fall either way where sums round otherwise.
            foreach ((string layer, long[] tokens) in load.TokensByLayer)
                for (int expert = 0; expert < tokens.Length; expert++) Assert.InRange(tokens[expert] - one.TokensByLayer[layer][expert], -2, 2);
        }
    }

    [Fact]
    public void Balancedness_is_the_average_over_the_largest_part_layer_by_layer()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using PinnedBuffer chosen = new(device, 6 * sizeof(int));
        using ExpertCounter counter = new(device, 4, 6);
        Assert.Equal(1, ExpertLoad.Of([counter], 2).Balancedness);
        Count("layers.0", 0, 1, 0, 1, 0, 3);
        Count("layers.1", 0, 3, 1, 2, 2, 1);
        Count("layers.1", 3, 2, 1, 0, 0, 3);
        ExpertLoad load = ExpertLoad.Of([counter], 2);
        Assert.Equal([3, 2, 0, 1], load.TokensByLayer["layers.0"]);
        Assert.Equal([3, 3, 3, 3], load.TokensByLayer["layers.1"]);
        Assert.Equal([11, 7], load.TokensByPart);
        Assert.Equal(((3.0 / 5) + 1) / 2, load.Balancedness, 12);

        void Count(string layer, params int[] ids)
        {
            ids.CopyTo(chosen.AsSpan<int>());
            counter.Count(layer, chosen.AsTensor(DType.I32, 3, 2));
        }
    }

    [Fact]
    public async Task Nothing_is_counted_unless_asked_for_nor_where_there_are_no_experts()
    {
        await using InferenceEngine off = InferenceEngine.Start(Mixtral with { EnableExpertDistributionMetrics = false });
        Assert.Empty(off.ExpertLoads);
        await using InferenceEngine dense = InferenceEngine.Start(TestModels.DemoOptions with { EnableExpertDistributionMetrics = true });
        Assert.Empty(dense.ExpertLoads);
    }
}
