using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Compare;

/// <summary>A line of a result file.</summary>
/// <param name="underTest">Fields that do not tell cases apart, since they are what is compared.</param>
internal sealed class ResultLine(JsonObject json, IReadOnlySet<string> underTest)
{
    private const string SearchSummary = "bench-serving-max-rate";

    public JsonObject Json { get; } = json;

    public string Tool => (string?)Json["tool"] ?? "";

    /// <summary>Which case of a sweep it is, in words.</summary>
    public string Case { get; } = string.Join(", ", ComparedFigures.Case.Where(field => json[field] is not null && !underTest.Contains(field)).Select(field => $"{field} {json[field]!.ToJsonString().Trim('"')}"));

    /// <summary>Requests that failed are in no figure, so a run with many looks fast.</summary>
    public long Failures => (long?)Json["failed_requests"] ?? 0;

    public double? Number(string field) => Json[field] is JsonValue value && value.GetValueKind() == JsonValueKind.Number ? value.GetValue<double>() : null;

    /// <summary>All lines that hold the figures of a run.</summary>
    /// <exception cref="BenchException">It cannot be read, or a line is not one of ours.</exception>
    public static IReadOnlyList<ResultLine> ReadAll(string path, IReadOnlySet<string> underTest)
    {
        List<ResultLine> lines = [];
        string[] text;
        try
        {
            text = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"cannot read '{path}': {e.Message}");
        }
        for (int i = 0; i < text.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(text[i])) continue;
            ResultLine line = new(Parse(path, i + 1, text[i]), underTest);
            if (line.Tool == SearchSummary) continue;
            lines.Add(line);
        }
        foreach (string field in ComparedFigures.Case.Where(underTest.Contains))
        {
            string[] values = [.. lines.Select(line => line.Json[field]?.ToJsonString() ?? "null").Distinct()];
            if (values.Length > 1) throw new BenchException($"'{path}' has runs with {field} {string.Join(", ", values)}; with --allow-difference {field} each file must hold one of them");
        }
        return lines.Count > 0 ? lines : throw new BenchException($"'{path}' has no result lines");
    }

    private static JsonObject Parse(string path, int number, string text)
    {
        try
        {
            if (JsonNode.Parse(text) is not JsonObject json || json["tool"] is null || json["schema_version"] is null) throw new BenchException($"'{path}', line {number}: not a result line of this program's tools (no tool and schema_version)");
            return (int?)json["schema_version"] == RunFacts.SchemaVersion
                ? json
                : throw new BenchException($"'{path}', line {number}: schema version {json["schema_version"]!.ToJsonString()}; this program reads {RunFacts.SchemaVersion}");
        }
        catch (JsonException e)
        {
            throw new BenchException($"'{path}', line {number}: not JSON: {e.Message}");
        }
    }
}
