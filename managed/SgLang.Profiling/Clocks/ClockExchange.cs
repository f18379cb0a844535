namespace SgLang.Profiling;

/// <summary>One two-way exchange: our clock when asking, theirs when the question came and when the answer left, ours when it arrived. Nanoseconds.</summary>
public readonly record struct ClockExchange(long Asked, long Received, long Answered, long Arrived)
{
    /// <summary>
    /// Offset ((t1 - t0) + (t2 - t3)) / 2 and half of the time spent under way as its bound, as in RFC 5905 section 8: whatever share of the
    /// way was the question's, the truth lies within.
    /// </summary>
    public ClockOffset Offset
    {
        get
        {
            long underWay = Math.Max(0, Arrived - Asked - (Answered - Received));
            return new ClockOffset(((Received - Asked) + (Answered - Arrived)) / 2, (underWay + 1) / 2);
        }
    }

    /// <summary>The offset with the tightest bound of some exchanges.</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static ClockOffset Best(IReadOnlyList<ClockExchange> exchanges)
    {
        if (exchanges.Count == 0) throw new ArgumentException("a clock offset needs at least one exchange");
        ClockOffset best = exchanges[0].Offset;
        for (int i = 1; i < exchanges.Count; i++)
            if (exchanges[i].Offset.ErrorNanoseconds < best.ErrorNanoseconds) best = exchanges[i].Offset;
        return best;
    }
}
