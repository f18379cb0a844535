namespace SgLang.Profiling;

/// <summary>How far a clock is ahead of another, and how much that may be wrong.</summary>
public readonly record struct ClockOffset(long Nanoseconds, long ErrorNanoseconds)
{
    /// <summary>Of the same clock as <paramref name="ahead"/> against another one, where both were measured against a third.</summary>
    public static ClockOffset Between(ClockOffset ahead, ClockOffset behind) =>
        new(ahead.Nanoseconds - behind.Nanoseconds, ahead.ErrorNanoseconds + behind.ErrorNanoseconds);
}
