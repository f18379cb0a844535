using System.Diagnostics;
using SgLang.Core;
using SgLang.Profiling;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Watches one replica's steps and first tokens for what is worth a dump of the flight recorder. Engine thread only; allocates nothing.
/// </summary>
internal sealed class FlightTriggers(FlightDumper dumper, FlightRecorderOptions options)
{
    /// <summary>Decode steps whose times are compared with.</summary>
    private const int MedianSteps = 256;

    /// <summary>Before there are so many, no step is called slow.</summary>
    private const int LeastSteps = 32;

    private readonly RunningMedian? _decode = options.SlowStepRatio is null ? null : new(MedianSteps);
    private readonly long _firstTokenLimit = options.TtftLimitSeconds is { } seconds ? (long)(seconds * Stopwatch.Frequency) : long.MaxValue;
    private readonly long[] _launched = new long[2];
    private long _finished;

    public bool WatchesFirstTokens => _firstTokenLimit != long.MaxValue;

    public void Launched(StepPlan plan)
    {
        if (_decode is not null) _launched[plan.StepId & 1] = Stopwatch.GetTimestamp();
    }

    /// <summary>
    /// A step's time is what it adds to that of the one before: from that one's end, or from its own launch where it did not wait. Steps with prompts
    /// differ too much to be compared; what they delay shows at the first token.
    /// </summary>
    public void Finished(StepPlan plan)
    {
        if (_decode is null) return;
        long now = Stopwatch.GetTimestamp();
        long time = now - Math.Max(_finished, _launched[plan.StepId & 1]);
        _finished = now;
        if (plan.Kind != StepKind.Decode) return;
        long median = _decode.Value;
        if (_decode.Count >= LeastSteps && time > options.SlowStepRatio!.Value * median) dumper.Trigger(FlightTrigger.SlowStep, plan.StepId, time, median);
        _decode.Add(time);
    }

    /// <param name="waited">From the request to its first token.</param>
    public void FirstToken(TimeSpan waited)
    {
        long ticks = (long)(waited.TotalSeconds * Stopwatch.Frequency);
        if (ticks > _firstTokenLimit) dumper.Trigger(FlightTrigger.FirstToken, 0, ticks, _firstTokenLimit);
    }
}
