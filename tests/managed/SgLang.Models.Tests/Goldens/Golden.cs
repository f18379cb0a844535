using System.Runtime.InteropServices;
using System.Text.Json;
using SgLang.Models.Weights;

namespace SgLang.Models.Tests;

/// <summary>One prompt with what the reference made of it in float32.</summary>
/// <param name="PromptLogprobs">Of each token given those before it; the first is NaN.</param>
/// <param name="GreedyMargins">Top logit minus second, per generated token.</param>
/// <param name="LastTop10">(id, logit) after the prompt, in falling order.</param>
internal sealed record GoldenCase(
    int[] InputIds, double[] PromptLogprobs, int[] GreedyIds, double[] GreedyLogprobs, double[] GreedyMargins, (int Id, double Logit)[] LastTop10)
{
    /// <summary>[prompt length][vocabulary] for the first cases of a file, else null.</summary>
    public float[][]? Logits { get; init; }
}

internal static class Golden
{
    public static IReadOnlyList<GoldenCase> Load(string model)
    {
        string tensors = TestFiles.Golden(model, "safetensors");
        IReadOnlyDictionary<string, SafetensorsEntry> entries = SafetensorsHeader.Read(tensors);
        byte[] bytes = File.ReadAllBytes(tensors);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(TestFiles.Golden(model, "json")));
        var cases = new List<GoldenCase>();
        foreach (JsonElement item in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            cases.Add(new GoldenCase(
                Ints(item, "input_ids"), Doubles(item, "prompt_logprobs"), Ints(item, "greedy_ids"), Doubles(item, "greedy_logprobs"), Doubles(item, "greedy_margins"),
                [.. item.GetProperty("last_top10").EnumerateArray().Select(pair => (pair[0].GetInt32(), pair[1].GetDouble()))])
            {
                Logits = entries.TryGetValue($"logits.{cases.Count}", out SafetensorsEntry? entry) ? Rows(bytes, entry) : null,
            });
        }
        return cases;
    }

    private static float[][] Rows(byte[] bytes, SafetensorsEntry entry)
    {
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan((int)entry.Begin, (int)entry.NumBytes));
        var rows = new float[entry.Shape[0]][];
        int width = (int)entry.Shape[1];
        for (int i = 0; i < rows.Length; i++) rows[i] = values.Slice(i * width, width).ToArray();
        return rows;
    }

    private static int[] Ints(JsonElement item, string name) => [.. item.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    private static double[] Doubles(JsonElement item, string name) =>
        [.. item.GetProperty(name).EnumerateArray().Select(e => e.ValueKind == JsonValueKind.Null ? double.NaN : e.GetDouble())];
}
