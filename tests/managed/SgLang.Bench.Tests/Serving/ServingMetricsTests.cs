using System.Diagnostics;
using System.Text.Json;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Reports;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Serving;

public class ServingMetricsTests
{
    private static long At(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private static RequestRecord Record(double scheduled, double sent, double ended, params double[] tokens)
    {
        RequestRecord record = new(0) { PlannedInput = 10, Scheduled = At(scheduled), Sent = At(sent), Ended = At(ended), OutputTokens = tokens.Length, IsCountedByChunk = true };
        foreach (double token in tokens) record.Arrivals.Add(new Arrival(At(token), 1));
        return record;
    }

    private static RequestRecord Failed(string reason) => new(0) { PlannedInput = 10, Sent = At(1), Ended = At(1), Error = reason };

    [Fact]
    public void Hand_computed_values_are_met()
    {
        ServingMetrics m = ServingMetrics.Of([Record(0, 0, 2, 0.5, 1, 2), Record(1, 1.5, 4, 2.5, 4)], true, null);
        Assert.Equal(4, m.Duration, 9);
        Assert.Equal((20, 5), (m.InputTokens, m.OutputTokens));
        Assert.Equal(0.75, m.Ttft.Mean!.Value, 9);
        Assert.Equal(1, m.TtftFromScheduled.Mean!.Value, 9);
        Assert.Equal((2 + 2.5) / 2, m.E2E.Mean!.Value, 9);
        Assert.Equal((2 + 3.0) / 2, m.E2EFromScheduled.Mean!.Value, 9);
        // (2 - 0.5) / 2 and (4 - 2.5) / 1.
        Assert.Equal(1.125, m.Tpot.Mean!.Value, 9);
        Assert.Equal((0.5 + 1 + 1.5) / 3, m.Itl.Mean!.Value, 9);
        Assert.Equal(4.5 / 4, m.Concurrency, 9);
        Assert.Equal(2, m.PeakConcurrency);
        Assert.Equal(2, m.PeakOutputTokens);
        Assert.Equal(1 / 1.5, m.AchievedRate!.Value, 9);
        Assert.Equal(0.25, m.Lag.Mean!.Value, 9);
    }

    [Fact]
    public void Failures_are_grouped_and_are_in_no_figure()
    {
        ServingMetrics m = ServingMetrics.Of([Record(0, 0, 2, 1, 2), Failed("503 busy"), Failed("503 busy"), Failed("gone")], false, null);
        Assert.Equal(1, m.Completed);
        Assert.Equal((10, 2), (m.InputTokens, m.OutputTokens));
        Assert.Equal(2, m.Failures["503 busy"]);
        string report = ServingReport.ToText(new ServingOptions { BaseUrl = new Uri("http://h") }, new ArrivalOptions(), m);
        Assert.Contains("3 requests FAILED and are in none of the figures above:\n  2 x 503 busy\n  1 x gone\n", report);
    }

    [Fact]
    public void A_run_where_all_fail_is_n_a_and_null_and_strict_json()
    {
        ServingMetrics m = ServingMetrics.Of([Failed("x")], false, null);
        ServingOptions options = new() { BaseUrl = new Uri("http://h") };
        Assert.Contains("Mean TTFT (ms):                          n/a       \n", ServingReport.ToText(options, new ArrivalOptions(), m));
        string line = ResultFile.ToLine(ServingReport.ToJson(options, new ArrivalOptions(), m, new Dataset("d", "s", []), null, []));
        JsonElement json = JsonDocument.Parse(line).RootElement;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("mean_ttft_ms").ValueKind);
        Assert.Equal("inf", json.GetProperty("request_rate").GetString());
        Assert.Equal(1, json.GetProperty("failed_requests").GetInt32());
    }

    [Fact]
    public void The_report_is_that_of_the_specification()
    {
        ServingMetrics m = ServingMetrics.Of([Record(0, 0, 2, 0.5, 1, 2)], false, text => 3);
        string[] lines = ServingReport.ToText(new ServingOptions { BaseUrl = new Uri("http://h") }, new ArrivalOptions(), m).Split('\n');
        Assert.Equal(
        [
            "", "============ Serving Benchmark Result ============", "Backend:                                 sglang    ", "Traffic request rate:                    inf       ",
            "Max request concurrency:                 not set   ", "Successful requests:                     1         ", "Benchmark duration (s):                  2.00      ",
            "Total input tokens:                      10        ", "Total input text tokens:                 10        ", "Total generated tokens:                  3         ",
            "Total generated tokens (retokenized):    3         ", "Request throughput (req/s):              0.50      ", "Input token throughput (tok/s):          5.00      ",
            "Output token throughput (tok/s):         1.50      ", "Peak output token throughput (tok/s):    1.00      ", "Peak concurrent requests:                1         ",
            "Total token throughput (tok/s):          6.50      ", "Concurrency:                             1.00      ", "----------------End-to-End Latency----------------",
            "Mean E2E Latency (ms):                   2000.00   ",
        ], lines[..20]);
        Assert.Equal("-----Time per Output Token (excl. 1st token)------", lines.Single(l => l.Contains("Time per Output Token")));
        Assert.Contains("Max ITL (ms):                            1000.00   ", lines);
        // Arrivals at 0.5, 1 and 2 s: one first token, one mean and two gaps.
        Assert.Equal("Samples: 1 E2E, 1 TTFT, 1 TPOT, 2 ITL.", lines[^3]);
        Assert.StartsWith("Steady state: n/a", lines[^2]);
    }

    [Fact]
    public void Goodput_counts_requests_that_keep_every_limit_and_failures_as_none()
    {
        RequestRecord[] records = [Record(0, 0, 2, 0.5, 1, 2), Record(0, 1, 3, 1.2, 3), Record(1, 1, 1.5, 1.5), Failed("x")];
        // TTFT from sent: 0.5, 0.2, 0.5; from scheduled: 0.5, 1.2, 0.5. TPOT: 0.75, 1.8, none.
        Assert.Equal(2, ServingMetrics.Of(records, false, null, new ServiceObjectives(600, 1000, null)).Goodput!.Met);
        Assert.Equal(3, ServingMetrics.Of(records, false, null, new ServiceObjectives(600, null, null)).Goodput!.Met);
        Goodput open = ServingMetrics.Of(records, true, null, new ServiceObjectives(600, null, null)).Goodput!;
        Assert.Equal((2, 0.5), (open.Met, open.Share));
        Assert.Equal(2 / 3.0, open.Rate, 9);
        Assert.Equal(1, ServingMetrics.Of(records, false, null, new ServiceObjectives(null, null, 1000)).Goodput!.Met);
        Assert.Null(ServingMetrics.Of(records, false, null).Goodput);
    }

    [Fact]
    public void The_steady_part_leaves_out_filling_up_and_running_dry()
    {
        // One request from 0 to 10 and one from 2 to 8, a token each half second: two are open from 2 to 8.
        static RequestRecord Long(double from, double to) => Record(from, from, to, [.. Enumerable.Range(1, (int)((to - from) * 2)).Select(i => from + (i * 0.5))]);
        SteadyState steady = ServingMetrics.Of([Long(0, 10), Long(2, 8)], false, null).Steady!;
        Assert.Equal((2, 2.0, 8.0), (steady.Concurrency, Math.Round(steady.Start, 6), Math.Round(steady.End, 6)));
        Assert.Equal(4, steady.OutputThroughput, 6);
        Assert.True(steady.IsSteady);
        Assert.Null(ServingMetrics.Of([Long(0, 1)], false, null).Steady);
    }

    [Fact]
    public void A_throughput_that_drifts_is_not_steady()
    {
        RequestRecord slowing = Record(0, 0, 8, 0.5, 1, 1.5, 2, 2.5, 3, 8);
        Assert.False(ServingMetrics.Of([slowing, slowing], false, null).Steady!.IsSteady);
    }

    [Fact]
    public void Cached_tokens_have_a_section_of_their_own_on_request()
    {
        RequestRecord record = Record(0, 0, 2, 1, 2);
        record.PromptTokens = 10;
        record.CachedTokens = 4;
        record.CachedDetails = new() { ["device"] = 3, ["host"] = 1 };
        string report = ServingReport.ToText(new ServingOptions { BaseUrl = new Uri("http://h"), CacheReport = true }, new ArrivalOptions(), ServingMetrics.Of([record], false, null));
        Assert.Contains(
            "----------------Cache Hit Details-----------------\n" +
            "Total prompt tokens:                     10        \n" +
            "Total cached tokens:                     4         \n" +
            "  Device:                                3         \n" +
            "  Host:                                  1         \n" +
            "Cache hit rate:                          40.0%     \n" +
            "  Device:                                30.0%     \n" +
            "  Host:                                  10.0%     \n" +
            "==================================================\n", report);
    }
}
