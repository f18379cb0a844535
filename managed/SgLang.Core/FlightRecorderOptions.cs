namespace SgLang.Core;

/// <summary>What the engine keeps of its latest steps, and what makes it write that to a file by itself.</summary>
public sealed record FlightRecorderOptions
{
    /// <summary>How far a dump goes back; 0 keeps nothing.</summary>
    public double Seconds { get; init; } = 30;

    /// <summary>Where dumps go; null: SGLANG_TORCH_PROFILER_DIR, else /tmp.</summary>
    public string? Directory { get; init; }

    /// <summary>A decode step that takes this many times the median of those before it is dumped; null: none is.</summary>
    public double? SlowStepRatio { get; init; }

    /// <summary>A first token that comes later than this after its request is dumped; null: none is.</summary>
    public double? TtftLimitSeconds { get; init; }
}
