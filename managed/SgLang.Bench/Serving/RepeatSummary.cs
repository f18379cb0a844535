using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Serving;

/// <summary>What several runs of the same load come to: mean and 95 % confidence interval of each figure over the runs.</summary>
internal static class RepeatSummary
{
    /// <summary>Result fields that are summarized, with what the terminal calls them.</summary>
    private static readonly (string Field, string Label)[] s_figures =
    [
        ("request_throughput", "Request throughput (req/s)"), ("output_throughput", "Output token throughput (tok/s)"), ("total_throughput", "Total token throughput (tok/s)"),
        ("mean_e2e_latency_ms", "Mean E2E Latency (ms)"), ("p99_e2e_latency_ms", "P99 E2E Latency (ms)"), ("mean_ttft_ms", "Mean TTFT (ms)"), ("p99_ttft_ms", "P99 TTFT (ms)"),
        ("mean_tpot_ms", "Mean TPOT (ms)"), ("p99_tpot_ms", "P99 TPOT (ms)"), ("mean_itl_ms", "Mean ITL (ms)"), ("p99_itl_ms", "P99 ITL (ms)"),
    ];

    public static string ToText(IReadOnlyList<ServingRun> runs)
    {
        ReportTable table = new ReportTable().Section($"{runs.Count} runs: mean and 95 % interval");
        foreach ((string field, string label) in s_figures)
            table.Row(label + ":", Of(runs, field) is { } c ? string.Create(CultureInfo.InvariantCulture, $"{c.Mean:F2} +- {c.HalfWidth:F2}") : "n/a");
        return table.End().ToString();
    }

    public static JsonObject ToJson(IReadOnlyList<ServingRun> runs)
    {
        JsonObject json = new() { ["runs"] = runs.Count };
        foreach ((string field, _) in s_figures)
        {
            Confidence? c = Of(runs, field);
            json[field] = c is null ? null : new JsonObject { ["mean"] = c.Value.Mean, ["half_width_95"] = ResultFile.Number(c.Value.HalfWidth) };
        }
        return json;
    }

    /// <summary>Null where a run has no such figure.</summary>
    private static Confidence? Of(IReadOnlyList<ServingRun> runs, string field)
    {
        double?[] values = [.. runs.Select(run => (double?)run.Line[field])];
        return values.All(value => value is not null) ? Confidence.Of([.. values.Select(value => value!.Value)]) : null;
    }
}
