using System.Diagnostics;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// What forward passes cost, counted on the engine's thread and copied with its snapshot. Steps of a rank run one after another, so a step
/// takes from its launch, or from the end of the one before if that is later, to its result.
/// </summary>
public struct StepMeter
{
    private long _lastEnd;
    private long _prefillTicks, _decodeTicks, _mixedTicks;
    private long _windowStart, _windowTicks;
    private int _windowSteps;

    public readonly double PrefillSeconds => Seconds(_prefillTicks);
    public readonly double DecodeSeconds => Seconds(_decodeTicks);
    public readonly double MixedSeconds => Seconds(_mixedTicks);

    /// <summary>Steps with prompt tokens; decode steps replayed from a graph, and those that were not.</summary>
    public long PrefillPasses { get; private set; }
    public long GraphDecodePasses { get; private set; }
    public long EagerDecodePasses { get; private set; }

    /// <summary>Whether the last decode step was replayed from a graph.</summary>
    public bool IsGraph { get; private set; }

    /// <summary>Tokens in the KV of the last decode step's requests; 0 when idle.</summary>
    public long DecodeTokens { get; private set; }

    /// <summary>Percent of the last logging interval that forward passes took; 0 when idle.</summary>
    public double Occupancy { get; private set; }

    /// <summary>A step is queued.</summary>
    /// <param name="now">The stopwatch's time.</param>
    internal void Launched(StepPlan plan, bool isGraph, long now)
    {
        if (_windowStart == 0) _windowStart = now;
        if (plan.Kind != StepKind.Decode)
        {
            PrefillPasses++;
            return;
        }
        IsGraph = isGraph;
        if (isGraph) GraphDecodePasses++;
        else EagerDecodePasses++;
        long tokens = 0;
        foreach (int length in plan.KvLength) tokens += length;
        DecodeTokens = tokens;
    }

    /// <summary>The oldest step has given its result. Returns the stopwatch ticks it took.</summary>
    /// <param name="launched">The stopwatch's time when it was queued.</param>
    /// <param name="interval">Steps of a window of <see cref="Occupancy"/>.</param>
    internal long Finished(StepPlan plan, long launched, int interval)
    {
        long now = Stopwatch.GetTimestamp();
        long took = now - Math.Max(launched, _lastEnd);
        _lastEnd = now;
        switch (plan.Kind)
        {
            case StepKind.Prefill:
                _prefillTicks += took;
                break;
            case StepKind.Decode:
                _decodeTicks += took;
                break;
            default:
                _mixedTicks += took;
                break;
        }
        _windowTicks += took;
        if (++_windowSteps >= interval)
        {
            Occupancy = 100.0 * _windowTicks / Math.Max(1, now - _windowStart);
            (_windowStart, _windowTicks, _windowSteps) = (now, 0, 0);
        }
        return took;
    }

    internal void Idle()
    {
        (DecodeTokens, Occupancy) = (0, 0);
        (_windowStart, _windowTicks, _windowSteps) = (0, 0, 0);
    }

    /// <summary>Of several replicas as one: times and counts are added, shares averaged.</summary>
    internal static StepMeter Sum(IEnumerable<StepMeter> all)
    {
        var sum = new StepMeter();
        int count = 0;
        foreach (StepMeter meter in all)
        {
            sum._prefillTicks += meter._prefillTicks;
            sum._decodeTicks += meter._decodeTicks;
            sum._mixedTicks += meter._mixedTicks;
            sum.PrefillPasses += meter.PrefillPasses;
            sum.GraphDecodePasses += meter.GraphDecodePasses;
            sum.EagerDecodePasses += meter.EagerDecodePasses;
            sum.IsGraph |= meter.IsGraph;
            sum.DecodeTokens += meter.DecodeTokens;
            sum.Occupancy += meter.Occupancy;
            count++;
        }
        sum.Occupancy /= Math.Max(1, count);
        return sum;
    }

    private static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
