namespace SgLang.Bench.Compare;

/// <summary>Figures of result lines that say how fast something was, and which way is better.</summary>
internal static class ComparedFigures
{
    private static readonly string[] s_throughputs =
    [
        "prefill_throughput", "median_decode_throughput", "input_throughput", "output_throughput", "overall_throughput", "total_throughput", "request_throughput",
    ];

    private static readonly string[] s_latencies =
    [
        "prefill_latency", "median_decode_latency", "p99_decode_latency", "prefill_device_latency", "median_decode_device_latency", "total_latency", "latency", "last_ttft",
        "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms", "mean_itl_ms", "p99_itl_ms", "mean_e2e_latency_ms", "p99_e2e_latency_ms",
        "mean_ttft_from_scheduled_ms", "p99_ttft_from_scheduled_ms", "p99_e2e_latency_from_scheduled_ms",
    ];

    public static IEnumerable<(string Field, bool IsHigherBetter)> All => s_throughputs.Select(name => (name, true)).Concat(s_latencies.Select(name => (name, false)));

    /// <summary>Fields that tell the cases of one sweep apart.</summary>
    public static IReadOnlyList<string> Case { get; } = ["batch_size", "input_len", "output_len", "request_rate", "max_concurrency"];
}
