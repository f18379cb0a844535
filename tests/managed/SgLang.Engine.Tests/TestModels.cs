using System.Reflection;
using System.Text.Json;
using SgLang.Core;

namespace SgLang.Engine.Tests;

/// <summary>The demo checkpoint and what a float32 reference made of it.</summary>
internal static class TestModels
{
    public sealed record Golden(int[] InputIds, double?[] PromptLogprobs, int[] GreedyIds, double[] GreedyLogprobs, double[] GreedyMargins);

    private static string Root => typeof(TestModels).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!;

    public static string Demo => Path.Combine(Root, "models", "demo");

    public static EngineOptions DemoOptions => new()
    {
        ModelPath = Demo,
        Device = DeviceKind.Cpu,
        DType = ModelDType.Float32,
        MaxTotalTokens = 8192,
        MaxRunningRequests = 32,
        RandomSeed = 1,
    };

    public static IReadOnlyList<Golden> DemoGoldens { get; } = ReadGoldens(Path.Combine(Root, "tests", "data", "models-demo", "golden.json"));

    private static List<Golden> ReadGoldens(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(c => new Golden(
            [.. c.GetProperty("input_ids").EnumerateArray().Select(v => v.GetInt32())],
            [.. c.GetProperty("prompt_logprobs").EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Null ? (double?)null : v.GetDouble())],
            [.. c.GetProperty("greedy_ids").EnumerateArray().Select(v => v.GetInt32())],
            [.. c.GetProperty("greedy_logprobs").EnumerateArray().Select(v => v.GetDouble())],
            [.. c.GetProperty("greedy_margins").EnumerateArray().Select(v => v.GetDouble())]))];
    }

    /// <summary>Where the recorded margin is wide enough, ids must agree; at a narrow margin either may follow, so the comparison ends.</summary>
    public static void AssertGreedy(Golden golden, IReadOnlyList<int> ids)
    {
        const double ClearMargin = 0.002;
        for (int i = 0; i < golden.GreedyIds.Length; i++)
        {
            if (golden.GreedyMargins[i] <= ClearMargin && ids[i] != golden.GreedyIds[i]) return;
            Assert.True(golden.GreedyIds[i] == ids[i], $"token {i}: {ids[i]} instead of {golden.GreedyIds[i]} at margin {golden.GreedyMargins[i]}");
        }
        Assert.Equal(golden.GreedyIds.Length, ids.Count);
    }
}
