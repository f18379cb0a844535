using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>Stopwatch ticks to nanoseconds since the Unix epoch, by one pair of readings.</summary>
public readonly record struct TraceClock(long Ticks, long UnixNanoseconds)
{
    /// <summary>Base times change every 7889238 s, so that processes started within some 91 days share one (spec/profiling.md 10.2).</summary>
    private const long BaseSeconds = 7889238;

    /// <summary>The tightest of a few pairs.</summary>
    public static TraceClock Now()
    {
        TraceClock best = default;
        long bestGap = long.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            long before = Stopwatch.GetTimestamp();
            DateTime now = DateTime.UtcNow;
            long after = Stopwatch.GetTimestamp();
            if (after - before >= bestGap) continue;
            bestGap = after - before;
            best = new TraceClock(before + (after - before) / 2, (now - DateTime.UnixEpoch).Ticks * 100);
        }
        return best;
    }

    /// <summary>Of the wall clock that files' times are of.</summary>
    public static long NowNanoseconds() => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;

    /// <summary>What the timestamps of a file are relative to.</summary>
    public long BaseNanoseconds => UnixNanoseconds / 1_000_000_000 / BaseSeconds * BaseSeconds * 1_000_000_000;

    public long ToNanoseconds(long ticks) => UnixNanoseconds + (long)((Int128)(ticks - Ticks) * 1_000_000_000 / Stopwatch.Frequency);

    /// <summary>Nanoseconds since <see cref="BaseNanoseconds"/>, never negative.</summary>
    public long Relative(long ticks) => Math.Max(0, ToNanoseconds(ticks) - BaseNanoseconds);
}
