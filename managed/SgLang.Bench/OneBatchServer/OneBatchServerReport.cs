using System.Globalization;
using System.Text;

namespace SgLang.Bench.OneBatchServer;

/// <summary>The table of a sweep, in the form that GitHub shows (spec/benchmarks.md 4.2).</summary>
internal static class OneBatchServerReport
{
    /// <summary>Share of the price that prompts are reckoned to cost: a device kept busy by prefill alone is rare.</summary>
    private const double InputUtilization = 0.7;
    private const double SecondsPerHour = 3600;
    private const double Million = 1e6;

    /// <param name="hourly">Dollars an hour for the whole server; null: costs are n/a.</param>
    public static string ToText(OneBatchServerOptions options, IReadOnlyList<OneBatchServerResult> results, double? hourly)
    {
        bool isProfiled = results.Any(r => r.ProfileDirectory is not null);
        var text = new StringBuilder();
        text.Append($"\nInput lens: {Tuple(options.InputLengths)}. Output lens: {Tuple(options.OutputLengths)}.");
        if (options.CacheHitRate > 0) text.Append(CultureInfo.InvariantCulture, $" Cache hit rate: {options.CacheHitRate * 100:F1}%.");
        text.Append("\n\n");
        Row(text, ["batch size", "input len", "latency (s)", "input throughput (tok/s)", "output throughput (tok/s)", "acc length", "ITL (ms)", "input cost ($/1M)", "output cost ($/1M)", "cache hit rate", .. isProfiled ? ["profile"] : Array.Empty<string>()]);
        Row(text, [.. Enumerable.Repeat("---", isProfiled ? 11 : 10)]);
        foreach (OneBatchServerResult r in results.OrderBy(r => r.InputLength))
        {
            Row(text,
            [
                r.BatchSize.ToString(CultureInfo.InvariantCulture), r.InputLength.ToString(CultureInfo.InvariantCulture), Show(r.Latency), Show(r.InputThroughput), Show(r.OutputThroughput),
                Show(r.AcceptLength is > 0 ? r.AcceptLength : null), Show(r.InterTokenLatency * 1000), Show(Million / (r.InputThroughput * InputUtilization) / SecondsPerHour * hourly),
                Show(Million / r.OutputThroughput / SecondsPerHour * hourly), r.CacheHitRate is { } rate ? (rate * 100).ToString("F1", CultureInfo.InvariantCulture) + "%" : "n/a",
                .. isProfiled ? [r.ProfileDirectory ?? "n/a"] : Array.Empty<string>(),
            ]);
        }
        return text.ToString();
    }

    private static void Row(StringBuilder text, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Tuple(IReadOnlyList<int> values) => values.Count == 1 ? $"({values[0]},)" : $"({string.Join(", ", values)})";

    private static string Show(double? value) => value is { } number && double.IsFinite(number) ? number.ToString("F2", CultureInfo.InvariantCulture) : "n/a";
}
