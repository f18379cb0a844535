using System.Globalization;

namespace SgLang.Engine;

/// <summary>What is set by environment variables and has no flag.</summary>
internal sealed record EngineEnvironment
{
    /// <summary>SGLANG_REQ_WAITING_TIMEOUT, in seconds: requests that wait longer are answered with 503.</summary>
    public TimeSpan? WaitingTimeout { get; init; }

    /// <summary>SGLANG_REQ_RUNNING_TIMEOUT, in seconds: requests that run longer are ended with 503.</summary>
    public TimeSpan? RunningTimeout { get; init; }

    /// <summary>IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD; see <see cref="Scheduling.SchedulerOptions"/>.</summary>
    public int InBatchPrefixCheckThreshold { get; init; } = 32;

    /// <summary>IN_BATCH_PREFIX_CACHING_DEPRIORITIZE_THRESHOLD.</summary>
    public int InBatchPrefixDeprioritizeThreshold { get; init; } = 32;

    /// <exception cref="EngineStartException">A variable whose value cannot be read.</exception>
    public static EngineEnvironment Read(Func<string, string?> variable) => new()
    {
        WaitingTimeout = Seconds("SGLANG_REQ_WAITING_TIMEOUT", variable),
        RunningTimeout = Seconds("SGLANG_REQ_RUNNING_TIMEOUT", variable),
        InBatchPrefixCheckThreshold = Threshold("IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD", variable),
        InBatchPrefixDeprioritizeThreshold = Threshold("IN_BATCH_PREFIX_CACHING_DEPRIORITIZE_THRESHOLD", variable),
    };

    /// <summary>0 and less mean no limit.</summary>
    private static TimeSpan? Seconds(string name, Func<string, string?> variable)
    {
        if (variable(name) is not { Length: > 0 } value) return null;
        if (!double.TryParse(value, CultureInfo.InvariantCulture, out double seconds) || !(seconds < 1e9))
            throw new EngineStartException($"{name} must be a number of seconds (0: no limit), got '{value}'.");
        return seconds > 0 ? TimeSpan.FromSeconds(seconds) : null;
    }

    private static int Threshold(string name, Func<string, string?> variable)
    {
        const int Default = 32;
        if (variable(name) is not { Length: > 0 } value) return Default;
        return int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int tokens) && tokens >= -1
            ? tokens
            : throw new EngineStartException($"{name} must be a number of tokens, or -1 to turn the check off, got '{value}'.");
    }
}
