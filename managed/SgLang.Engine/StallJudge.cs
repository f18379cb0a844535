namespace SgLang.Engine;

/// <summary>What is to be done about an engine by the time since it last did something.</summary>
internal enum StallVerdict
{
    None,

    /// <summary>Say it, once for each stall.</summary>
    Report,
    GiveUp,
}

/// <summary>
/// Whether an engine with work has stood still for too long. The time counts from its last step, or from when it was first seen to have work. One thread at a time.
/// </summary>
/// <param name="soft">When to report; null: never.</param>
/// <param name="hard">When to give up.</param>
internal sealed class StallJudge(TimeSpan? soft, TimeSpan hard, TimeProvider time)
{
    private long? _busySince;
    private long _reported = long.MinValue;

    /// <param name="heartbeat">Time stamp of <c>time</c> at which a step last ended.</param>
    /// <param name="age">For how long nothing has happened; zero without work.</param>
    public StallVerdict Judge(bool hasRequests, long heartbeat, out TimeSpan age)
    {
        age = TimeSpan.Zero;
        if (!hasRequests)
        {
            _busySince = null;
            return StallVerdict.None;
        }
        long now = time.GetTimestamp();
        _busySince ??= now;
        long last = Math.Max(_busySince.Value, heartbeat);
        age = time.GetElapsedTime(last, now);
        if (age >= hard) return StallVerdict.GiveUp;
        if (age < soft || soft is null || _reported == last) return StallVerdict.None;
        _reported = last;
        return StallVerdict.Report;
    }
}
