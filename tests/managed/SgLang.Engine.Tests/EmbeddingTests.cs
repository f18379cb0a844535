using SgLang.Core;

namespace SgLang.Engine.Tests;

/// <summary>Embeddings by the whole engine against a reference in double precision, whatever the batch, the chunks and the ranks.</summary>
public sealed class EmbeddingTests
{
    /// <summary>Largest difference of a component; the vectors have length 1 and 256 components.</summary>
    private const double Float32Error = 2e-5;
    private const double BFloat16Cosine = 0.999;

    private static readonly Lazy<(int[] Ids, double[] Expected)[]> s_cases = new(Cases);

    public static TheoryData<string, EngineOptions> Settings => new()
    {
        { "defaults", TestModels.DemoOptions },
        { "no overlap, no prefix cache", TestModels.DemoOptions with { DisableOverlapSchedule = true, DisableRadixCache = true } },
        { "page size 3, chunks of 9", TestModels.DemoOptions with { PageSize = 3, ChunkedPrefillSize = 9, MaxTotalTokens = 6000 } },
        { "mixed chunks of 16", TestModels.DemoOptions with { ChunkedPrefillSize = 16, EnableMixedChunk = true } },
        { "one running request", TestModels.DemoOptions with { MaxRunningRequests = 1 } },
        { "tp 2", TestModels.DemoOptions with { TpSize = 2 } },
        { "pp 3", TestModels.DemoOptions with { PpSize = 3 } },
        { "tp 2 x pp 2 x dp 2, chunks of 64", TestModels.DemoOptions with { TpSize = 2, PpSize = 2, DpSize = 2, ChunkedPrefillSize = 64 } },
    };

    [Theory]
    [MemberData(nameof(Settings), DisableDiscoveryEnumeration = true)]
    public async Task Embeddings_are_the_references(string setting, EngineOptions options)
    {
        await using InferenceEngine engine = InferenceEngine.Start(options);
        // Twice: the second round finds the prompts in the prefix cache. Others generate meanwhile.
        double worst = 0;
        for (int round = 0; round < 2; round++)
        {
            Generation[] generating = [.. Enumerable.Range(0, 3).Select(i => engine.Submit(new GenerationRequest
            {
                Rid = $"other{i}", InputIds = [5 + i, 6, 7], Sampling = new SamplingParams { MaxNewTokens = 24, IgnoreEos = true },
            }))];
            Generation[] embedding = [.. s_cases.Value.Select((item, i) => engine.Submit(Request($"e{i}", item.Ids)))];
            Collected[] results = await Task.WhenAll(embedding.Select(Collected.ReadAsync));
            foreach (Collected other in await Task.WhenAll(generating.Select(Collected.ReadAsync)))
            {
                Assert.Equal(24, other.Ids.Count);
                Assert.Null(other.Embedding);
            }
            for (int i = 0; i < results.Length; i++)
            {
                Assert.Equal(FinishReason.Length, results[i].Finish);
                Assert.Equal((0, 1), (results[i].Ids.Count, results[i].NumChunks));
                worst = Math.Max(worst, Difference(s_cases.Value[i].Expected, results[i].Embedding!));
            }
        }
        TestContext.Current.SendDiagnosticMessage($"{setting}: largest difference {worst:e1}");
        Assert.True(worst < Float32Error, $"{setting}: a component differs by {worst}");
    }

    [Fact]
    public async Task In_bfloat16_they_point_the_same_way()
    {
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with { DType = ModelDType.BFloat16 });
        foreach ((int[] ids, double[] expected) in s_cases.Value)
        {
            Collected result = await Collected.ReadAsync(engine.Submit(Request("e", ids)));
            double cosine = expected.Zip(result.Embedding!, (a, b) => a * b).Sum();
            Assert.Equal(1, result.Embedding!.Sum(value => (double)value * value), 1e-5);
            Assert.True(cosine > BFloat16Cosine, $"cosine {cosine}");
        }
    }

    [Fact]
    public async Task An_aborted_request_brings_none()
    {
        using ManualResetEventSlim go = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => go.Wait());
        Generation generation = engine.Submit(Request("gone", [1, 2, 3]));
        engine.Abort("gone");
        go.Set();
        Collected result = await Collected.ReadAsync(generation);
        Assert.Equal(FinishKind.Abort, result.Finish.Kind);
        Assert.Null(result.Embedding);
    }

    [Fact]
    public void The_reference_is_that_of_the_goldens()
    {
        ReferenceLlama reference = new(TestModels.Demo);
        foreach (TestModels.Golden golden in TestModels.DemoGoldens.Where(golden => golden.InputIds.Length <= 100 && golden.GreedyMargins[0] > 0.002))
            Assert.Equal(golden.GreedyIds[0], reference.Next(reference.LastHidden(golden.InputIds)));
    }

    private static (int[], double[])[] Cases()
    {
        int seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        Random random = new(seed);
        ReferenceLlama reference = new(TestModels.Demo);
        int[] shared = Ids(40);
        int[][] prompts = [Ids(1), Ids(2), Ids(17), shared, [.. shared, .. Ids(9)], Ids(65), TestModels.DemoGoldens[0].InputIds];
        return [.. prompts.Select(ids => (ids, Unit(reference.LastHidden(ids))))];

        int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(4000))];
    }

    private static double[] Unit(double[] values)
    {
        double length = Math.Sqrt(values.Sum(value => value * value));
        return [.. values.Select(value => value / length)];
    }

    private static double Difference(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        return expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
    }

    private static GenerationRequest Request(string rid, int[] ids) => new()
    {
        Rid = rid, InputIds = ids, Sampling = new SamplingParams { MaxNewTokens = 0 }, WantsEmbedding = true,
    };
}
