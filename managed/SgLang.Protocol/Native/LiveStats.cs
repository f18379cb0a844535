namespace SgLang.Protocol;

/// <summary>Body of /stats: one moment of the server. Counters count since the start; rates are theirs to work out from two moments.</summary>
public sealed record LiveStats
{
    /// <summary>Unix time.</summary>
    public required double Time { get; init; }
    public required string Status { get; init; }
    public required string Model { get; init; }
    public required string Device { get; init; }
    public required string Version { get; init; }
    public required double Uptime { get; init; }
    public required int Running { get; init; }
    public required int Waiting { get; init; }
    public required int MaxRunning { get; init; }
    public required int UsedTokens { get; init; }
    public required int MaxTotalTokens { get; init; }

    /// <summary>Of the last prefill step.</summary>
    public required double CacheHitRate { get; init; }
    public required double GenerationThroughput { get; init; }
    public required double NewTokenRatio { get; init; }
    public required long Steps { get; init; }
    public required long PromptTokens { get; init; }
    public required long CachedTokens { get; init; }
    public required long GeneratedTokens { get; init; }
    public required long Requests { get; init; }
    public required long Aborted { get; init; }
    public required long Retracted { get; init; }

    /// <summary>Over the requests of the last minute, among those remembered; null when there are none.</summary>
    public LatencyQuantiles? TimeToFirstToken { get; init; }
    public LatencyQuantiles? TimePerToken { get; init; }
    public LatencyQuantiles? QueueTime { get; init; }
    public LatencyQuantiles? Latency { get; init; }
}

/// <summary>Seconds.</summary>
public sealed record LatencyQuantiles(double P50, double P95, int Count);
