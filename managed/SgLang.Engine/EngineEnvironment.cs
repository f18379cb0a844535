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

    /// <summary>SGLANG_MAX_NEW_TOKENS_LIMIT, in tokens: no request generates more.</summary>
    public int? MaxNewTokensLimit { get; init; }

    /// <summary>SGLANG_FORCE_STREAM_INTERVAL: tokens after which they are decoded even if nobody wants to see them yet.</summary>
    public int ForceStreamInterval { get; init; } = 50;

    /// <summary>SGLANG_INIT_NEW_TOKEN_RATIO.</summary>
    public double InitialNewTokenRatio { get; init; } = 0.7;

    /// <summary>SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR.</summary>
    public double MinNewTokenRatioFactor { get; init; } = 0.14;

    /// <summary>SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS.</summary>
    public int NewTokenRatioDecaySteps { get; init; } = 600;

    /// <summary>SGLANG_RETRACT_DECODE_STEPS.</summary>
    public int RetractDecodeSteps { get; init; } = 20;

    /// <summary>SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION.</summary>
    public int ClipMaxNewTokensEstimation { get; init; } = 4096;

    /// <summary>SGLANG_MEM_PROFILE_MAX_ENTRIES: changes of memory that a window keeps, for each rank.</summary>
    public int MaxMemoryChanges { get; init; } = 100_000;

    /// <summary>SGLANG_PROFILE_ATTACH_AT_START: device activity is made ready while the server starts, and launches cost more from then on.</summary>
    public bool AttachesProfilerAtStart { get; init; }

    /// <exception cref="EngineStartException">A variable whose value cannot be read.</exception>
    public static EngineEnvironment Read(Func<string, string?> variable)
    {
        const string Threshold = "a number of tokens, or -1 to turn the check off";
        EngineEnvironment defaults = new();
        return new EngineEnvironment
        {
            WaitingTimeout = Seconds("SGLANG_REQ_WAITING_TIMEOUT", variable),
            RunningTimeout = Seconds("SGLANG_REQ_RUNNING_TIMEOUT", variable),
            InBatchPrefixCheckThreshold = Integer("IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD", -1, int.MaxValue, defaults.InBatchPrefixCheckThreshold, Threshold, variable),
            InBatchPrefixDeprioritizeThreshold =
                Integer("IN_BATCH_PREFIX_CACHING_DEPRIORITIZE_THRESHOLD", -1, int.MaxValue, defaults.InBatchPrefixDeprioritizeThreshold, Threshold, variable),
            MaxNewTokensLimit = Integer("SGLANG_MAX_NEW_TOKENS_LIMIT", int.MinValue, int.MaxValue, 0, "a number of tokens (0: no limit)", variable) is > 0 and var limit ? limit : null,
            // A request has room for twice as many tokens.
            ForceStreamInterval = Integer("SGLANG_FORCE_STREAM_INTERVAL", 1, 10_000, defaults.ForceStreamInterval, "a number of tokens from 1 to 10000", variable),
            InitialNewTokenRatio = Share("SGLANG_INIT_NEW_TOKEN_RATIO", defaults.InitialNewTokenRatio, variable),
            MinNewTokenRatioFactor = Share("SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR", defaults.MinNewTokenRatioFactor, variable),
            NewTokenRatioDecaySteps = Integer("SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS", 1, int.MaxValue, defaults.NewTokenRatioDecaySteps, "a number of steps from 1", variable),
            RetractDecodeSteps = Integer("SGLANG_RETRACT_DECODE_STEPS", 0, 10_000, defaults.RetractDecodeSteps, "a number of tokens from 0 to 10000", variable),
            ClipMaxNewTokensEstimation = Integer("SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION", 1, int.MaxValue, defaults.ClipMaxNewTokensEstimation, "a number of tokens from 1", variable),
            MaxMemoryChanges = Integer("SGLANG_MEM_PROFILE_MAX_ENTRIES", 1, int.MaxValue, defaults.MaxMemoryChanges, "a number of changes from 1", variable),
            AttachesProfilerAtStart = Switch("SGLANG_PROFILE_ATTACH_AT_START", variable),
        };
    }

    /// <summary>0 and less mean no limit.</summary>
    private static TimeSpan? Seconds(string name, Func<string, string?> variable)
    {
        if (variable(name) is not { Length: > 0 } value) return null;
        if (!double.TryParse(value, CultureInfo.InvariantCulture, out double seconds) || !(seconds < 1e9))
            throw new EngineStartException($"{name} must be a number of seconds (0: no limit), got '{value}'.");
        return seconds > 0 ? TimeSpan.FromSeconds(seconds) : null;
    }

    private static int Integer(string name, int min, int max, int otherwise, string allowed, Func<string, string?> variable)
    {
        if (variable(name) is not { Length: > 0 } value) return otherwise;
        return int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
            ? number
            : throw new EngineStartException($"{name} must be {allowed}, got '{value}'.");
    }

    private static bool Switch(string name, Func<string, string?> variable) => variable(name)?.ToLowerInvariant() switch
    {
        null or "" or "0" or "false" => false,
        "1" or "true" => true,
        _ => throw new EngineStartException($"{name} must be 1 or 0, true or false, got '{variable(name)}'."),
    };

    private static double Share(string name, double otherwise, Func<string, string?> variable)
    {
        if (variable(name) is not { Length: > 0 } value) return otherwise;
        return double.TryParse(value, CultureInfo.InvariantCulture, out double share) && share is >= 0 and <= 1
            ? share
            : throw new EngineStartException($"{name} must be a number in [0, 1], got '{value}'.");
    }
}
