using System.Diagnostics;
using System.Globalization;
using ScottPlot;
using SgLang.Bench.Load;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Serving;

/// <summary>Pictures of one or several runs: throughput over time, latency distributions, and, over several rates, the sweep.</summary>
internal static class ServingPlots
{
    private const double Milliseconds = 1000;

    /// <summary>The files written.</summary>
    public static IReadOnlyList<string> Write(string directory, IReadOnlyList<ServingRun> runs)
    {
        List<string> files = [];
        try
        {
            Directory.CreateDirectory(directory);
            foreach (Picture picture in Of(runs))
            {
                string file = Path.Combine(directory, picture.Name + ".svg");
                File.WriteAllText(file, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + picture.ToSvg());
                files.Add(file);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"--plot: cannot write into '{directory}': {e.Message}");
        }
        return files;
    }

    /// <summary>Repeats of a rate are pooled in distributions; over time the last one is shown.</summary>
    public static IEnumerable<Picture> Of(IReadOnlyList<ServingRun> runs)
    {
        (double Rate, ServingRun[] Runs)[] rates = [.. runs.GroupBy(run => run.Rate).Select(group => (group.Key, group.ToArray())).OrderBy(group => group.Key)];
        yield return OverTime("throughput", "Output tokens per second", "tokens / s", timeline => timeline.TokensPerSecond);
        yield return OverTime("concurrency", "Open requests", "requests", timeline => timeline.OpenRequests);
        yield return Distribution("ttft", "Time to first token", r => r.Arrivals.Count > 0 ? [Ms(r.Sent, r.Arrivals[0].At)] : []);
        yield return Distribution("tpot", "Time per output token after the first", r => r.Arrivals.Count > 0 && r.OutputTokens > 1 ? [Ms(r.Arrivals[0].At, r.Ended) / (r.OutputTokens.Value - 1)] : []);
        yield return Distribution("itl", "Inter-token latency", InterTokenLatencies);
        yield return Distribution("e2e", "End-to-end latency", r => [Ms(r.Sent, r.Ended)]);
        (double Rate, ServingRun[] Runs)[] finite = [.. rates.Where(group => double.IsFinite(group.Rate))];
        if (finite.Length < 2) yield break;
        double[] xs = [.. finite.Select(group => group.Rate)];
        yield return new Picture("sweep-latency", "Time to first token by request rate", "requests / s", "ms",
        [
            new Curve("median", xs, [.. finite.Select(group => Mean(group.Runs, run => run.Metrics.Ttft.Median))], HasMarkers: true),
            new Curve("p99", xs, [.. finite.Select(group => Mean(group.Runs, run => run.Metrics.Ttft.P99))], HasMarkers: true),
        ]) { LegendPlace = Alignment.UpperLeft };
        yield return new Picture("sweep-throughput", "Output throughput by request rate", "requests / s", "tokens / s",
            [new Curve("output tokens / s", xs, [.. finite.Select(group => group.Runs.Average(run => run.Metrics.OutputTokens / run.Metrics.Duration))], HasMarkers: true)]);

        Picture OverTime(string name, string title, string unit, Func<Timeline, double[]> values) => new(name, title, "seconds from the first send", unit,
        [
            .. rates.Select(group =>
            {
                Timeline timeline = Timeline.Of(group.Runs[^1].Records);
                double[] ys = values(timeline);
                return new Curve(Name(group.Rate), [.. ys.Select((_, i) => (i + 0.5) * timeline.Step)], ys);
            }),
        ]) { LegendPlace = Alignment.UpperRight };

        Picture Distribution(string name, string title, Func<RequestRecord, IEnumerable<double>> values) => new("cdf-" + name, title, "ms, logarithmic", "share of samples",
            [.. rates.Select(group => Picture.Distribution(Name(group.Rate), group.Runs.SelectMany(run => run.Records).Where(r => r.IsSuccess).SelectMany(values)))]) { IsLogarithmic = true };
    }

    private static IEnumerable<double> InterTokenLatencies(RequestRecord record)
    {
        List<double> seconds = [];
        ServingMetrics.AddGaps(record, seconds, []);
        return seconds.Select(value => value * Milliseconds);
    }

    private static double Mean(ServingRun[] runs, Func<ServingRun, double?> value) => runs.Average(run => (value(run) ?? 0) * Milliseconds);

    private static string Name(double rate) => double.IsInfinity(rate) ? "all at once" : rate.ToString("G4", CultureInfo.InvariantCulture) + " req/s";

    private static double Ms(long from, long to) => Milliseconds * (to - from) / Stopwatch.Frequency;
}
