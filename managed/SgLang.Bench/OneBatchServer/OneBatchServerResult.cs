using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.OneBatchServer;

/// <summary>One batch through a server; times in seconds.</summary>
public sealed record OneBatchServerResult
{
    public required string RunName { get; init; }
    public required int BatchSize { get; init; }
    public required int InputLength { get; init; }
    public required int OutputLength { get; init; }

    /// <summary>Of all rows as they were sent.</summary>
    public required long PromptTokens { get; init; }

    /// <summary>From just before the request to the end of its stream.</summary>
    public required double Latency { get; init; }

    /// <summary>Until the last row's first token.</summary>
    public required double LastTtft { get; init; }
    public required double? LastGenerationThroughput { get; init; }

    /// <summary>Of speculative decoding; null without it.</summary>
    public required double? AcceptLength { get; init; }
    public required double? CacheHitRate { get; init; }
    public string? ProfileDirectory { get; init; }

    public double InputThroughput => PromptTokens / LastTtft;

    /// <summary>Tokens after each row's first, over the time after the last row's first; null when there are none.</summary>
    public double? OutputThroughput => OutputLength > 1 && Latency > LastTtft ? (double)BatchSize * (OutputLength - 1) / (Latency - LastTtft) : null;
    public double OverallThroughput => (PromptTokens + ((double)BatchSize * OutputLength)) / Latency;

    /// <summary>Mean time between a row's tokens.</summary>
    public double? InterTokenLatency => BatchSize / OutputThroughput;

    public JsonObject ToJson() => new()
    {
        ["run_name"] = RunName,
        ["batch_size"] = BatchSize,
        ["input_len"] = InputLength,
        ["output_len"] = OutputLength,
        ["latency"] = Rounded(Latency, 4),
        ["input_throughput"] = Rounded(InputThroughput, 2),
        ["output_throughput"] = Rounded(OutputThroughput, 2),
        ["overall_throughput"] = Rounded(OverallThroughput, 2),
        ["last_ttft"] = Rounded(LastTtft, 4),
        ["last_gen_throughput"] = Rounded(LastGenerationThroughput ?? -1, 2),
        ["acc_length"] = Rounded(AcceptLength ?? -1, 2),
        ["cache_hit_rate"] = Rounded(CacheHitRate, 4),
        ["prompt_tokens"] = PromptTokens,
        ["profile_directory"] = ProfileDirectory,
    };

    public string ToText()
    {
        string text = FormattableString.Invariant($"batch size: {BatchSize}\ninput_len: {InputLength}\noutput_len: {OutputLength}\nlatency: {Latency:F2} s\ninput throughput: {InputThroughput:F2} tok/s\n");
        if (OutputThroughput is { } output) text += FormattableString.Invariant($"output throughput: {output:F2} tok/s\n");
        text += FormattableString.Invariant($"last_ttft: {LastTtft:F2} s\nlast generation throughput: ") + (LastGenerationThroughput is { } last ? FormattableString.Invariant($"{last:F2} tok/s\n") : "n/a\n");
        if (AcceptLength is > 0) text += FormattableString.Invariant($"acc_length: {AcceptLength:F2} \n");
        if (CacheHitRate is { } rate) text += FormattableString.Invariant($"cache hit rate: {rate:F4}\n");
        return text;
    }

    private static JsonNode? Rounded(double? value, int digits) => ResultFile.Number(value is { } number && double.IsFinite(number) ? Math.Round(number, digits) : null);
}
