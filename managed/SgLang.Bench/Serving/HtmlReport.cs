using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Serving;

/// <summary>Figures, pictures and circumstances of some runs in one page that needs no other file.</summary>
internal static class HtmlReport
{
    private const string Style = "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:960px;color:#222}table{border-collapse:collapse;margin:1em 0}"
        + "td,th{border:1px solid #ccc;padding:.25em .6em;text-align:right}th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}pre{white-space:pre-wrap;background:#f6f6f6;padding:1em}";

    private static readonly (string Field, string Label)[] s_rows =
    [
        ("request_rate", "request rate (req/s)"), ("repeat", "repeat"), ("completed", "successful requests"), ("failed_requests", "failed requests"), ("duration", "duration (s)"),
        ("request_throughput", "requests / s"), ("output_throughput", "output tokens / s"), ("total_throughput", "total tokens / s"), ("concurrency", "mean concurrency"),
        ("mean_ttft_ms", "TTFT mean (ms)"), ("median_ttft_ms", "TTFT median (ms)"), ("p99_ttft_ms", "TTFT p99 (ms)"),
        ("mean_tpot_ms", "TPOT mean (ms)"), ("p99_tpot_ms", "TPOT p99 (ms)"), ("mean_itl_ms", "ITL mean (ms)"), ("p99_itl_ms", "ITL p99 (ms)"),
        ("mean_e2e_latency_ms", "E2E mean (ms)"), ("p99_e2e_latency_ms", "E2E p99 (ms)"), ("p99_e2e_latency_from_scheduled_ms", "E2E p99 from scheduled (ms)"), ("p99_client_lag_ms", "client lag p99 (ms)"),
    ];

    public static void Write(string file, IReadOnlyList<ServingRun> runs)
    {
        try
        {
            File.WriteAllText(file, ToHtml(runs));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"--html: cannot write '{file}': {e.Message}");
        }
    }

    internal static string ToHtml(IReadOnlyList<ServingRun> runs)
    {
        JsonObject first = runs[0].Line;
        var page = new StringBuilder();
        page.Append($"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>bench-serving {Encode(Text(first["model"]))}</title><style>{Style}</style></head><body>\n");
        page.Append($"<h1>Serving benchmark: {Encode(Text(first["model"]))}</h1>\n");
        page.Append($"<p>{Encode(Text(first["time"]))}, host {Encode(Text(first["host"]?["name"]))} ({Encode(Text(first["host"]?["processor"]))}), device {Encode(Text(first["device"]))}, ")
            .Append($"backend {Encode(Text(first["backend"]))}, data set {Encode(Text(first["dataset"]?["name"]))} <code>{Encode(Text(first["dataset"]?["sha256"]))}</code>, cache {Encode(Text(first["cache_state"]))}.</p>\n<table>\n");
        foreach ((string field, string label) in s_rows)
        {
            page.Append($"<tr><th>{label}</th>");
            foreach (ServingRun run in runs) page.Append($"<td>{Encode(Text(run.Line[field]))}</td>");
            page.Append("</tr>\n");
        }
        page.Append("</table>\n");
        foreach ((string reason, int count) in runs.SelectMany(run => run.Metrics.Failures)) page.Append(CultureInfo.InvariantCulture, $"<p><strong>{count} failed:</strong> {Encode(reason)}</p>\n");
        foreach (Picture picture in ServingPlots.Of(runs)) page.Append($"<h2>{Encode(picture.Title)}</h2>\n{picture.ToSvg()}\n");
        page.Append("<h2>Result lines</h2>\n");
        foreach (ServingRun run in runs) page.Append($"<pre>{Encode(ResultFile.ToLine(run.Line))}</pre>\n");
        return page.Append("</body></html>\n").ToString();
    }

    private static string Text(JsonNode? value) => value switch
    {
        null => "n/a",
        JsonValue v when v.GetValueKind() == JsonValueKind.Number => v.TryGetValue(out double number) && number != Math.Floor(number) ? number.ToString("F2", CultureInfo.InvariantCulture) : v.ToJsonString(),
        JsonValue v when v.GetValueKind() == JsonValueKind.String => v.GetValue<string>(),
        _ => value.ToJsonString(),
    };

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
