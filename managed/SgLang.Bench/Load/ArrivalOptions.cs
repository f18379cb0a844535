namespace SgLang.Bench.Load;

/// <summary>When requests arrive; names are those of the flags.</summary>
public sealed record ArrivalOptions
{
    public static IReadOnlyList<string> RampStrategies { get; } = ["linear", "exponential"];

    /// <summary>Requests a second in the long run; infinity sends all at once.</summary>
    public double Rate { get; init; } = double.PositiveInfinity;

    /// <summary>Shape of the gamma-distributed gaps: 1 is a Poisson process, below 1 bursts, above 1 evens out, infinity is a constant gap.</summary>
    public double Burstiness { get; init; } = 1;

    /// <summary>Null: no ramp. With one, <see cref="Rate"/> is not used.</summary>
    public string? RampStrategy { get; init; }
    public double RampStart { get; init; }
    public double RampEnd { get; init; }

    /// <summary>Whether a schedule spreads requests in time.</summary>
    public bool IsOpenLoop => RampStrategy is not null || double.IsFinite(Rate);
}
