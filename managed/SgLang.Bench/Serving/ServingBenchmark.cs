using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Serving;

/// <summary>Many independent requests to a running server (spec/benchmarks.md 6): each rate as often as asked for, or a search for the highest rate that will do.</summary>
public sealed class ServingBenchmark(ServingOptions options, TextWriter output, TextWriter error)
{
    private readonly List<ServingRun> _runs = [];

    /// <returns>All runs in order; the last is that of the rate found, when one was looked for and exists.</returns>
    /// <exception cref="BenchException">It could not be run; a run whose requests failed is a result, not an exception.</exception>
    public async Task<IReadOnlyList<ServingRun>> RunAsync(CancellationToken cancellation = default)
    {
        ResultFile.CheckWritable("--output-file", options.OutputFile ?? DefaultFile());
        if (options.HtmlFile is { } page) ResultFile.CheckWritable("--html", page);
        if (options.PlotDirectory is { } pictures) ResultFile.CheckDirectory("--plot", pictures);
        // What is set; the result line has all of them.
        JsonObject set = new(options.Arguments.Where(argument => argument.Value is { } value && !JsonNode.DeepEquals(value, false)).Select(argument => KeyValuePair.Create(argument.Key, (JsonNode?)argument.Value!.DeepClone())));
        await output.WriteLineAsync($"benchmark_args={ResultFile.ToLine(set)}");
        using ServingSession session = await ServingSession.OpenAsync(options, output, error, cancellation);
        if (options.FindMaxRate)
        {
            await FindMaxRateAsync(session, cancellation);
        }
        else
        {
            foreach (double rate in options.Rates.Count > 0 ? options.Rates : [options.Arrivals.Rate])
                await MeasureAsync(session, options.Arrivals with { Rate = rate }, cancellation);
        }
        if (options.PlotDirectory is { } directory) foreach (string file in ServingPlots.Write(directory, _runs)) await output.WriteLineAsync($"Picture: {file}");
        if (options.HtmlFile is { } html)
        {
            HtmlReport.Write(html, _runs);
            await output.WriteLineAsync($"Report: {html}");
        }
        return _runs;
    }

    /// <summary>One rate, with its repeats.</summary>
    private async Task<ServingRun> MeasureAsync(ServingSession session, ArrivalOptions arrivals, CancellationToken cancellation)
    {
        List<ServingRun> repeats = [];
        for (int repeat = 0; repeat < options.Repeats; repeat++)
        {
            ServingRun run = await session.RunAsync(arrivals, repeat, cancellation);
            repeats.Add(run);
            _runs.Add(run);
            // The last of several says what they come to.
            if (options.Repeats > 1 && repeat == options.Repeats - 1) run.Line["repeats"] = RepeatSummary.ToJson(repeats);
            ResultFile.Append(options.OutputFile ?? DefaultFile(), run.Line);
            await output.WriteAsync(ServingReport.ToText(options, arrivals, run.Metrics, run.Line["server_info"]));
            if (options.PlotThroughput) await output.WriteAsync(TerminalPlot.Throughput(run.Records));
        }
        if (options.Repeats > 1) await output.WriteAsync(RepeatSummary.ToText(repeats));
        return repeats[^1];
    }

    private async Task FindMaxRateAsync(ServingSession session, CancellationToken cancellation)
    {
        double start = double.IsFinite(options.Arrivals.Rate) ? options.Arrivals.Rate : 1;
        MaxRateSearch search = new(start);
        while (search.Next is { } rate)
        {
            ServingRun run = await MeasureAsync(session, options.Arrivals with { Rate = rate }, cancellation);
            bool isGood = run.Metrics.Goodput is { } goodput && goodput.Share >= options.ObjectiveShare;
            search.Report(isGood);
            await output.WriteLineAsync(FormattableString.Invariant($"Rate {rate:G4} req/s: {run.Metrics.Goodput?.Share * 100:F1} % kept every limit, {options.ObjectiveShare * 100:F1} % wanted: {(isGood ? "good" : "too fast")}"));
        }
        await output.WriteLineAsync(search.Best is { } best
            ? FormattableString.Invariant($"Highest rate that meets the objectives: {best:G4} req/s") + (search.WasNeverTooFast ? " (never too fast; the limit lies higher)" : "")
            : FormattableString.Invariant($"No rate down to {search.Lowest:G4} req/s meets the objectives."));
        JsonObject found = new()
        {
            ["max_rate"] = ResultFile.Number(search.Best), ["is_lower_bound"] = search.WasNeverTooFast, ["objective_share"] = options.ObjectiveShare,
            ["trials"] = new JsonArray([.. _runs.Select(run => (JsonNode)new JsonObject { ["request_rate"] = run.Rate, ["share"] = ResultFile.Number(run.Metrics.Goodput?.Share) })]),
        };
        RunFacts.AddTo(found, "bench-serving-max-rate", options.Arguments);
        found["model"] = session.Model;
        found["dataset"] = session.Dataset.ToJson();
        ResultFile.Append(options.OutputFile ?? DefaultFile(), found);
    }

    private string DefaultFile()
    {
        DatasetOptions d = options.Dataset;
        string prefix = $"{options.Backend.Name}_{DateTime.Now.ToString("MMdd", CultureInfo.InvariantCulture)}_{d.NumPrompts}_";
        if (d.Name == "image") return $"{prefix}{d.RandomInputLength}_{d.RandomOutputLength}_{d.ImageCount}imgs_{d.ImageResolution.Replace(':', '-')}.jsonl";
        return prefix + (d.Name.StartsWith("random", StringComparison.Ordinal) ? $"{d.RandomInputLength}_{d.RandomOutputLength}.jsonl" : $"{d.Name}.jsonl");
    }
}
