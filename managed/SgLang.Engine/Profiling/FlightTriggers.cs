using System.Diagnostics;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// Watches one replica's steps, on the engine's thread, and first tokens, on any, for what is worth a dump of the flight recorder; allocates nothing.
/// </summary>
internal sealed class FlightTriggers(FlightDumper dumper, FlightRecorderOptions options)
{
    /// <summary>Decode steps whose times are compared with.</summary>
    private const int MedianSteps = 256;

    /// <summary>Before there are so many, no step is called slow.</summary>
    private const int LeastSteps = 32;

    private readonly RunningMedian? _decode = options.SlowStepRatio is null ? null : new(MedianSteps);
    private readonly long _firstTokenLimit = options.TtftLimitSeconds is { } seconds ? (long)(seconds * Stopwatch.Frequency) : long.MaxValue;

    public bool WatchesFirstTokens => _firstTokenLimit != long.MaxValue;

    /// <summary>
    /// A decode step has given its result. Steps with prompts differ too much to be compared; what they delay shows at the first token.
    /// </summary>
    /// <param name="took">Stopwatch ticks.</param>
    public void Decoded(long step, long took)
    {
        if (_decode is null) return;
        long median = _decode.Value;
        if (_decode.Count >= LeastSteps && took > options.SlowStepRatio!.Value * median) dumper.Trigger(FlightTrigger.SlowStep, step, took, median);
        _decode.Add(took);
    }

    /// <param name="waited">From the request to its first token.</param>
    public void FirstToken(TimeSpan waited)
    {
        long ticks = (long)(waited.TotalSeconds * Stopwatch.Frequency);
        if (ticks > _firstTokenLimit) dumper.Trigger(FlightTrigger.FirstToken, 0, ticks, _firstTokenLimit);
    }
}
