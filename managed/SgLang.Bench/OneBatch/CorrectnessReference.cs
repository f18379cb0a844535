using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.OneBatch;

/// <summary>What a correctness test gave, stored as JSON: for each prompt its ids, the largest logits after it, and the greedy continuation.</summary>
internal static class CorrectnessReference
{
    /// <summary>Logits kept of each prompt; those that sampling could choose from are among them.</summary>
    private const int Kept = 20;

    /// <param name="sequences">Prompt and continuation of each row.</param>
    public static void Save(string path, int[][] prompts, float[][] logits, IReadOnlyList<int>[] sequences)
    {
        JsonArray rows = [];
        for (int row = 0; row < prompts.Length; row++)
        {
            JsonObject largest = [];
            foreach (int id in Enumerable.Range(0, logits[row].Length).OrderByDescending(id => logits[row][id]).Take(Kept)) largest[id.ToString(CultureInfo.InvariantCulture)] = logits[row][id];
            rows.Add((JsonNode)new JsonObject { ["input_ids"] = Ids(prompts[row]), ["largest_logits"] = largest, ["output_ids"] = Ids(sequences[row].Skip(prompts[row].Length)) });
        }
        try
        {
            File.WriteAllText(path, ResultFile.ToLine(rows) + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"--save-reference: cannot write '{path}': {e.Message}");
        }
    }

    /// <summary>Returns the largest difference of a logit.</summary>
    /// <exception cref="BenchException">Other prompts, a logit beyond the tolerance, or another continuation; all of them are named.</exception>
    public static double Compare(string path, double tolerance, int[][] prompts, float[][] logits, IReadOnlyList<int>[] sequences)
    {
        JsonArray rows = Read(path);
        if (rows.Count != prompts.Length) throw new BenchUsageException($"--reference: '{path}' has {rows.Count} prompts, this test {prompts.Length}");
        List<string> wrong = [];
        double largest = 0;
        for (int row = 0; row < prompts.Length; row++)
        {
            if (!Numbers(rows[row]!["input_ids"]).SequenceEqual(prompts[row])) throw new BenchUsageException($"--reference: prompt {row} of '{path}' has other tokens; use the same prompts and tokenizer");
            foreach ((string id, JsonNode? value) in rows[row]!["largest_logits"]!.AsObject())
            {
                float expected = value!.GetValue<float>(), got = logits[row][int.Parse(id, CultureInfo.InvariantCulture)];
                double difference = Math.Abs(expected - got);
                // Not a number is no small difference.
                if (!(difference <= tolerance)) wrong.Add(string.Create(CultureInfo.InvariantCulture, $"prompt {row}, token {id}: logit {got:F4}, reference {expected:F4}"));
                largest = Math.Max(largest, difference);
            }
            int[] reference = [.. Numbers(rows[row]!["output_ids"])], made = [.. sequences[row].Skip(prompts[row].Length)];
            int common = reference.Zip(made).TakeWhile(pair => pair.First == pair.Second).Count();
            if (common < Math.Min(reference.Length, made.Length)) wrong.Add($"prompt {row}: output token {common} is {made[common]}, reference {reference[common]}");
        }
        return wrong.Count == 0 ? largest : throw new BenchException(string.Create(CultureInfo.InvariantCulture, $"the result differs from '{path}' (tolerance {tolerance}):\n  {string.Join("\n  ", wrong)}"));
    }

    private static JsonArray Read(string path)
    {
        try
        {
            if (JsonNode.Parse(File.ReadAllText(path)) is JsonArray rows && rows.All(row => row?["input_ids"] is JsonArray && row["largest_logits"] is JsonObject && row["output_ids"] is JsonArray)) return rows;
            throw new BenchUsageException($"--reference: '{path}' was not written by --save-reference");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new BenchUsageException($"--reference: cannot read '{path}': {e.Message}");
        }
    }

    private static JsonArray Ids(IEnumerable<int> ids) => new([.. ids.Select(id => (JsonNode)id)]);

    private static IEnumerable<int> Numbers(JsonNode? ids) => ids!.AsArray().Select(id => id!.GetValue<int>());
}
