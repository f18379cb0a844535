using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Serving;

/// <summary>The figures of a run as a table and as a result line (spec/benchmarks.md 6.8 and 6.9), with what the known layout has no place for after it.</summary>
public static class ServingReport
{
    private const double Milliseconds = 1000;

    /// <summary>Lag above this share of the mean latency makes the client part of what is measured.</summary>
    private const double NotableLag = 0.01;

    /// <summary>
    /// Prompt tokens beyond those of the texts, by the server's count: of images, and of what its chat template puts around them. Only a model's own
    /// image processor could count them here. Null where the server does not count.
    /// </summary>
    private static long? VisionTokens(ServingOptions options, ServingMetrics m) => options.Dataset.IsOfImages ? m.ServerInputTokens - m.InputTokens : 0;

    private static long InputTokens(ServingOptions options, ServingMetrics m) => m.InputTokens + (VisionTokens(options, m) ?? 0);

    public static string ToText(ServingOptions options, ArrivalOptions arrivals, ServingMetrics m, JsonNode? serverInfo = null)
    {
        ReportTable table = new ReportTable()
            .Title(" Serving Benchmark Result ")
            .Row("Backend:", options.Backend.Name)
            .Row("Traffic request rate:", RateText(options, arrivals))
            .Row("Max request concurrency:", options.MaxConcurrency?.ToString(CultureInfo.InvariantCulture) ?? "not set")
            .Row("Successful requests:", m.Completed)
            .Row("Benchmark duration (s):", m.Duration)
            .Row("Total input tokens:", InputTokens(options, m))
            .Row("Total input text tokens:", m.InputTokens);
        if (options.Dataset.IsOfImages) table = table.Row("Total input vision tokens:", VisionTokens(options, m)?.ToString(CultureInfo.InvariantCulture) ?? "n/a");
        table = table
            .Row("Total generated tokens:", m.OutputTokens)
            .Row("Total generated tokens (retokenized):", m.OutputTokensRetokenized?.ToString(CultureInfo.InvariantCulture) ?? "n/a")
            .Row("Request throughput (req/s):", m.Completed / m.Duration)
            .Row("Input token throughput (tok/s):", InputTokens(options, m) / m.Duration)
            .Row("Output token throughput (tok/s):", m.OutputTokens / m.Duration)
            .Row("Peak output token throughput (tok/s):", m.PeakOutputTokens)
            .Row("Peak concurrent requests:", m.PeakConcurrency)
            .Row("Total token throughput (tok/s):", (InputTokens(options, m) + m.OutputTokens) / m.Duration)
            .Row("Concurrency:", m.Concurrency);
        double? accepted = AcceptLength(serverInfo);
        if (accepted is > 0) table.Row("Accept length:", accepted);
        Latency(table, "End-to-End Latency", "E2E Latency", m.E2E);
        if (options.Backend.Shape != AnswerShape.Embedding)
        {
            Latency(table, "Time to First Token", "TTFT", m.Ttft);
            Latency(table, "Time per Output Token (excl. 1st token)", "TPOT", m.Tpot);
            Latency(table, "Inter-Token Latency", "ITL", m.Itl);
            table.Row("Max ITL (ms):", m.Itl.Max * Milliseconds);
        }
        if (options.CacheReport) CacheHits(table, m);
        string text = "\n" + table.End() + Samples(options, m) + FailureText.Of(m.Failures);
        if (m.Goodput is { } goodput)
            text += FormattableString.Invariant($"Goodput: {goodput.Met} of {m.Completed + m.Failures.Values.Sum()} requests kept every limit ({goodput.Share * 100:F1} %), {goodput.Rate:F2} req/s.\n");
        if (m.Steady is { } steady)
            text += FormattableString.Invariant($"Steady state: {steady.Start:F2} s to {steady.End:F2} s with {steady.Concurrency} or more open, {steady.OutputThroughput:F2} tok/s; its halves differ by {steady.HalfDifference * 100:F1} %")
                + (steady.IsSteady ? ".\n" : ": NOT steady, run longer.\n");
        else
            text += "Steady state: n/a, for most of the run no request was open, or there was only one.\n";
        if (options.UseTraceTimestamps || arrivals.IsOpenLoop)
        {
            text += FormattableString.Invariant($"Achieved rate: {Show(m.AchievedRate)} req/s of {RateText(options, arrivals)}. From the scheduled time: mean E2E {Show(m.E2EFromScheduled.Mean * Milliseconds)} ms, ")
                + FormattableString.Invariant($"p99 E2E {Show(m.E2EFromScheduled.P99 * Milliseconds)} ms, mean TTFT {Show(m.TtftFromScheduled.Mean * Milliseconds)} ms, p99 TTFT {Show(m.TtftFromScheduled.P99 * Milliseconds)} ms.\n");
        }
        if (options.MaxConcurrency is null && m.Lag.P99 > NotableLag * m.E2E.Mean)
            text += $"WARNING: the client sent late: p99 {Show(m.Lag.P99 * Milliseconds)} ms after the scheduled time, more than 1 % of the mean latency. It is part of what was measured.\n";
        if (m.GuessedLengths > 0)
            text += $"WARNING: the server counted no tokens in {m.GuessedLengths} answers; their lengths are those of their text, tokenized again (or of their chunks without a tokenizer).\n";
        if (m.Itl.Count == 0 && m.ChunkGap.Count > 0)
            text += "ITL is n/a: the server sent several tokens in a chunk without counting them; see chunk_gap in the result line.\n";
        return text;
    }

    public static JsonObject ToJson(ServingOptions options, ArrivalOptions arrivals, ServingMetrics m, Dataset dataset, JsonNode? serverInfo, IReadOnlyList<double> connectTimes)
    {
        DatasetOptions d = options.Dataset;
        JsonObject json = new()
        {
            ["tag"] = options.Tag,
            ["backend"] = options.Backend.Name,
            ["dataset_name"] = d.Name,
            ["request_rate"] = options.UseTraceTimestamps ? "trace" : arrivals.RampStrategy is not null || double.IsInfinity(arrivals.Rate) ? RateText(options, arrivals) : arrivals.Rate,
            ["max_concurrency"] = options.MaxConcurrency,
            ["sharegpt_output_len"] = d.ShareGptOutputLength,
            ["random_input_len"] = d.RandomInputLength,
            ["random_output_len"] = d.RandomOutputLength,
            ["random_range_ratio"] = d.RandomRangeRatio,
            ["server_info"] = serverInfo?.DeepClone(),
            ["duration"] = m.Duration,
            ["completed"] = m.Completed,
            ["total_input_tokens"] = InputTokens(options, m),
            ["total_input_text_tokens"] = m.InputTokens,
            ["total_input_vision_tokens"] = VisionTokens(options, m),
            ["total_output_tokens"] = m.OutputTokens,
            ["total_output_tokens_retokenized"] = m.OutputTokensRetokenized,
            ["request_throughput"] = m.Completed / m.Duration,
            ["input_throughput"] = InputTokens(options, m) / m.Duration,
            ["output_throughput"] = m.OutputTokens / m.Duration,
            ["total_throughput"] = (InputTokens(options, m) + m.OutputTokens) / m.Duration,
        };
        Add(json, "e2e_latency", m.E2E);
        Add(json, "ttft", m.Ttft);
        Add(json, "tpot", m.Tpot);
        Add(json, "itl", m.Itl);
        json["concurrency"] = m.Concurrency;
        json["accept_length"] = ResultFile.Number(AcceptLength(serverInfo));
        json["max_output_tokens_per_s"] = m.PeakOutputTokens;
        json["max_concurrent_requests"] = m.PeakConcurrency;
        if (options.CacheReport) json["cache_report"] = CacheReport(m);
        json["max_itl_ms"] = ResultFile.Number(m.Itl.Max * Milliseconds);
        Add(json, "chunk_gap", m.ChunkGap);
        Add(json, "e2e_latency_from_scheduled", m.E2EFromScheduled);
        Add(json, "ttft_from_scheduled", m.TtftFromScheduled);
        Add(json, "client_lag", m.Lag);
        json["samples"] = new JsonObject { ["e2e_latency"] = m.E2E.Count, ["ttft"] = m.Ttft.Count, ["tpot"] = m.Tpot.Count, ["itl"] = m.Itl.Count, ["chunk_gap"] = m.ChunkGap.Count };
        json["burstiness"] = double.IsInfinity(arrivals.Burstiness) ? "inf" : arrivals.Burstiness;
        json["goodput"] = m.Goodput is { } goodput ? new JsonObject { ["met"] = goodput.Met, ["share"] = goodput.Share, ["requests_per_s"] = goodput.Rate } : null;
        json["steady_state"] = m.Steady is { } steady
            ? new JsonObject
            {
                ["is_steady"] = steady.IsSteady, ["start_s"] = steady.Start, ["end_s"] = steady.End, ["concurrency"] = steady.Concurrency, ["output_throughput"] = steady.OutputThroughput,
                ["half_difference"] = steady.HalfDifference, ["requests"] = steady.Requests, ["mean_ttft_ms"] = ResultFile.Number(steady.Ttft.Mean * Milliseconds),
                ["p99_ttft_ms"] = ResultFile.Number(steady.Ttft.P99 * Milliseconds), ["mean_e2e_latency_ms"] = ResultFile.Number(steady.E2E.Mean * Milliseconds),
                ["p99_e2e_latency_ms"] = ResultFile.Number(steady.E2E.P99 * Milliseconds),
            }
            : null;
        json["achieved_request_rate"] = ResultFile.Number(m.AchievedRate);
        json["server_input_tokens"] = m.ServerInputTokens;
        json["cached_tokens"] = m.CachedTokens;
        json["answers_without_count"] = m.GuessedLengths;
        json["failed_requests"] = m.Failures.Values.Sum();
        JsonObject failures = [];
        foreach ((string reason, int count) in m.Failures) failures[reason] = count;
        json["failures"] = failures;
        json["connections"] = connectTimes.Count;
        json["mean_connect_ms"] = connectTimes.Count > 0 ? connectTimes.Average() * Milliseconds : null;
        json["cache_state"] = options.FlushCache ? "flushed" : "as found";
        json["dataset"] = dataset.ToJson();
        return json;
    }

    /// <summary>Arrays of every request in sending order; times in seconds from the first send.</summary>
    public static void AddDetails(JsonObject json, IReadOnlyList<RequestRecord> records)
    {
        long start = records.Min(r => r.Sent);
        json["input_lens"] = Array(r => r.PlannedInput);
        json["output_lens"] = Array(r => r.IsSuccess ? r.OutputTokens : 0);
        json["ttfts"] = Array(r => r.Arrivals.Count > 0 ? Seconds(r.Sent, r.Arrivals[0].At) : null);
        json["itls"] = Array(r => new JsonArray([.. r.Arrivals.Skip(1).Select((a, i) => (JsonNode)Seconds(r.Arrivals[i].At, a.At))]));
        json["generated_texts"] = Array(r => r.Text);
        json["errors"] = Array(r => r.Error ?? "");
        json["scheduled_times"] = Array(r => Seconds(start, r.Scheduled));
        json["start_times"] = Array(r => Seconds(start, r.Sent));
        json["end_times"] = Array(r => Seconds(start, r.Ended));
        json["chunk_tokens"] = Array(r => new JsonArray([.. r.Arrivals.Select(a => (JsonNode?)a.Tokens)]));
        json["all_cached_tokens"] = Array(r => r.CachedTokens);

        JsonArray Array(Func<RequestRecord, JsonNode?> value) => new([.. records.Select(value)]);
    }

    /// <summary>One request and its answer, as the tool prints them on request.</summary>
    public static string RequestText(RequestRecord r) => r.IsSuccess
        ? FormattableString.Invariant($"[{r.Index}] {r.PlannedInput} -> {r.OutputTokens} tokens, {Seconds(r.Sent, r.Ended) * Milliseconds:F2} ms: {r.Text.ReplaceLineEndings("\\n")}")
        : FormattableString.Invariant($"[{r.Index}] FAILED: {r.Error}");

    private static string RateText(ServingOptions options, ArrivalOptions arrivals) =>
        options.UseTraceTimestamps ? "trace"
        : arrivals.RampStrategy is not null ? FormattableString.Invariant($"{arrivals.RampStart:R}..{arrivals.RampEnd:R}")
        : double.IsInfinity(arrivals.Rate) ? "inf"
        : arrivals.Rate.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>The server's average since its last reset; behind a router that of its first decode worker.</summary>
    private static double? AcceptLength(JsonNode? info) =>
        info?["internal_states"] is JsonArray { Count: > 0 } states ? (double?)states[0]?["avg_spec_accept_length"]
        : info?["decode"] is JsonArray { Count: > 0 } workers && workers[0]?["internal_states"] is JsonArray { Count: > 0 } inner ? (double?)inner[0]?["avg_spec_accept_length"]
        : null;

    private static void CacheHits(ReportTable table, ServingMetrics m)
    {
        long prompt = m.ServerInputTokens ?? m.InputTokens;
        table.Section("Cache Hit Details").Row("Total prompt tokens:", prompt).Row("Total cached tokens:", m.CachedTokens?.ToString(CultureInfo.InvariantCulture) ?? "n/a");
        foreach ((string place, long tokens) in m.CachedDetails) table.Row($"  {Title(place)}:", tokens);
        table.Row("Cache hit rate:", Share(m.CachedTokens, prompt));
        foreach ((string place, long tokens) in m.CachedDetails) table.Row($"  {Title(place)}:", Share(tokens, prompt));

        static string Title(string place) => char.ToUpperInvariant(place[0]) + place[1..];
        static string Share(long? tokens, long prompt) => tokens is { } cached && prompt > 0 ? (100.0 * cached / prompt).ToString("F1", CultureInfo.InvariantCulture) + "%" : "n/a";
    }

    private static JsonObject CacheReport(ServingMetrics m)
    {
        long prompt = m.ServerInputTokens ?? m.InputTokens;
        return new JsonObject
        {
            ["total_prompt_tokens"] = prompt,
            ["total_cached_tokens"] = m.CachedTokens,
            ["cache_hit_rate_pct"] = ResultFile.Number(prompt > 0 ? 100.0 * m.CachedTokens / prompt : null),
            ["device_cached_tokens"] = Place("device"),
            ["host_cached_tokens"] = Place("host"),
            ["storage_cached_tokens"] = Place("storage"),
            ["storage_backend"] = null,
        };

        JsonNode? Place(string name) => m.CachedDetails.TryGetValue(name, out long tokens) ? JsonValue.Create(tokens) : null;
    }

    /// <summary>How many values each figure of the table is made of.</summary>
    private static string Samples(ServingOptions options, ServingMetrics m) => options.Backend.Shape == AnswerShape.Embedding
        ? $"Samples: {m.E2E.Count} E2E.\n"
        : $"Samples: {m.E2E.Count} E2E, {m.Ttft.Count} TTFT, {m.Tpot.Count} TPOT, {m.Itl.Count} ITL.\n";

    private static void Latency(ReportTable table, string section, string name, Summary s) => table
        .Section(section)
        .Row($"Mean {name} (ms):", s.Mean * Milliseconds)
        .Row($"Median {name} (ms):", s.Median * Milliseconds)
        .Row($"P90 {name} (ms):", s.P90 * Milliseconds)
        .Row($"P95 {name} (ms):", s.P95 * Milliseconds)
        .Row($"P99 {name} (ms):", s.P99 * Milliseconds);

    private static void Add(JsonObject json, string name, Summary s)
    {
        json[$"mean_{name}_ms"] = ResultFile.Number(s.Mean * Milliseconds);
        json[$"median_{name}_ms"] = ResultFile.Number(s.Median * Milliseconds);
        json[$"std_{name}_ms"] = ResultFile.Number(s.StandardDeviation * Milliseconds);
        json[$"p90_{name}_ms"] = ResultFile.Number(s.P90 * Milliseconds);
        json[$"p95_{name}_ms"] = ResultFile.Number(s.P95 * Milliseconds);
        json[$"p99_{name}_ms"] = ResultFile.Number(s.P99 * Milliseconds);
    }

    private static string Show(double? value) => value is { } number ? number.ToString("F2", CultureInfo.InvariantCulture) : "n/a";

    private static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
