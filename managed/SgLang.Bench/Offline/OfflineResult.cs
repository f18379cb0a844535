using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Offline;

/// <summary>Figures of one offline run; failed requests count in none of them but <see cref="Failures"/>.</summary>
public sealed record OfflineResult
{
    public required Dataset Dataset { get; init; }

    /// <summary>Seconds from handing over the prompts to the last answer's end.</summary>
    public required double TotalLatency { get; init; }
    public required int SuccessfulRequests { get; init; }
    public required long InputTokens { get; init; }
    public required long OutputTokens { get; init; }

    /// <summary>Prompt tokens that were not computed because an earlier prompt of the run had them.</summary>
    public required long CachedTokens { get; init; }
    public required long NumSteps { get; init; }

    /// <summary>As the engine last logged it; null when the run was shorter than its interval.</summary>
    public required double? LastGenerationThroughput { get; init; }

    /// <summary>Reason to number of requests.</summary>
    public required IReadOnlyDictionary<string, int> Failures { get; init; }

    /// <summary>Traces of the run; null when it was not profiled.</summary>
    public IReadOnlyList<string>? ProfileFiles { get; init; }

    public JsonObject ToJson()
    {
        JsonObject failures = [];
        foreach ((string reason, int count) in Failures) failures[reason] = count;
        JsonObject json = new()
        {
            ["backend"] = "engine",
            ["successful_requests"] = SuccessfulRequests,
            ["total_latency"] = TotalLatency,
            ["total_input_tokens"] = InputTokens,
            ["total_output_tokens"] = OutputTokens,
            ["request_throughput"] = SuccessfulRequests / TotalLatency,
            ["input_throughput"] = InputTokens / TotalLatency,
            ["output_throughput"] = OutputTokens / TotalLatency,
            ["total_throughput"] = (InputTokens + OutputTokens) / TotalLatency,
            ["last_gen_throughput"] = ResultFile.Number(LastGenerationThroughput),
            ["cached_tokens"] = CachedTokens,
            ["steps"] = NumSteps,
            ["failed_requests"] = Failures.Values.Sum(),
            ["failures"] = failures,
            ["dataset"] = Dataset.ToJson(),
        };
        if (ProfileFiles is { } files) json["profile_files"] = new JsonArray([.. files.Select(file => (JsonNode)file)]);
        return json;
    }

    public string ToReport()
    {
        ReportTable table = new ReportTable()
            .Title(" Offline Throughput Benchmark Result ")
            .Row("Backend:", "engine")
            .Row("Successful requests:", SuccessfulRequests)
            .Row("Benchmark duration (s):", TotalLatency)
            .Row("Total input tokens:", InputTokens)
            .Row("Total generated tokens:", OutputTokens)
            .Row("Last generation throughput (tok/s):", LastGenerationThroughput)
            .Row("Request throughput (req/s):", SuccessfulRequests / TotalLatency)
            .Row("Input token throughput (tok/s):", InputTokens / TotalLatency)
            .Row("Output token throughput (tok/s):", OutputTokens / TotalLatency)
            .Row("Total token throughput (tok/s):", (InputTokens + OutputTokens) / TotalLatency)
            .End();
        return "\n" + table + FailureText.Of(Failures);
    }
}
