using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public sealed class EngineEnvironmentTests
{
    [Fact]
    public void Without_variables_nothing_is_limited()
    {
        EngineEnvironment none = EngineEnvironment.Read(_ => null);
        Assert.Equal(new EngineEnvironment(), none);
        Assert.Equal((null, null, 32, 32), (none.WaitingTimeout, none.RunningTimeout, none.InBatchPrefixCheckThreshold, none.InBatchPrefixDeprioritizeThreshold));
    }

    [Theory]
    [InlineData("SGLANG_REQ_WAITING_TIMEOUT", "1.5", 1.5, null)]
    [InlineData("SGLANG_REQ_RUNNING_TIMEOUT", "60", null, 60.0)]
    [InlineData("SGLANG_REQ_RUNNING_TIMEOUT", "-1", null, null)]
    public void Timeouts_are_seconds(string name, string value, double? waiting, double? running)
    {
        EngineEnvironment read = Read(name, value);
        Assert.Equal((waiting, running), (read.WaitingTimeout?.TotalSeconds, read.RunningTimeout?.TotalSeconds));
    }

    [Fact]
    public void Thresholds_are_tokens_or_off()
    {
        Assert.Equal(64, Read("IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD", "64").InBatchPrefixCheckThreshold);
        Assert.Equal(-1, Read("IN_BATCH_PREFIX_CACHING_DEPRIORITIZE_THRESHOLD", "-1").InBatchPrefixDeprioritizeThreshold);
    }

    [Fact]
    public void What_admission_reckons_with_is_numbers()
    {
        SchedulerOptions defaults = new() { MaxRunningRequests = 1, NumPages = 1, PageSize = 1, ContextLength = 1 };
        EngineEnvironment none = new();
        Assert.Equal((defaults.InitialNewTokenRatio, defaults.MinNewTokenRatioFactor, defaults.NewTokenRatioDecaySteps, defaults.RetractDecodeSteps, defaults.ClipMaxNewTokensEstimation, defaults.MaxNewTokensLimit),
            (none.InitialNewTokenRatio, none.MinNewTokenRatioFactor, none.NewTokenRatioDecaySteps, none.RetractDecodeSteps, none.ClipMaxNewTokensEstimation, none.MaxNewTokensLimit));
        Assert.Equal(none with { InitialNewTokenRatio = 0.25 }, Read("SGLANG_INIT_NEW_TOKEN_RATIO", "0.25"));
        Assert.Equal(none with { MinNewTokenRatioFactor = 1 }, Read("SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR", "1"));
        Assert.Equal(none with { NewTokenRatioDecaySteps = 1000 }, Read("SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS", "1000"));
        Assert.Equal(none with { RetractDecodeSteps = 0 }, Read("SGLANG_RETRACT_DECODE_STEPS", "0"));
        Assert.Equal(none with { AttachesProfilerAtStart = true }, Read("SGLANG_PROFILE_ATTACH_AT_START", "True"));
        Assert.Equal(none, Read("SGLANG_PROFILE_ATTACH_AT_START", "0"));
        Assert.Equal(none with { ClipMaxNewTokensEstimation = 100 }, Read("SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION", "100"));
        Assert.Equal(none with { MaxNewTokensLimit = 256 }, Read("SGLANG_MAX_NEW_TOKENS_LIMIT", "256"));
        Assert.Equal(none, Read("SGLANG_MAX_NEW_TOKENS_LIMIT", "-1"));
        Assert.Equal(none with { ForceStreamInterval = 7 }, Read("SGLANG_FORCE_STREAM_INTERVAL", "7"));
    }

    [Theory]
    [InlineData("SGLANG_INIT_NEW_TOKEN_RATIO", "1.5", "SGLANG_INIT_NEW_TOKEN_RATIO must be a number in [0, 1], got '1.5'.")]
    [InlineData("SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR", "NaN", "SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR must be a number in [0, 1], got 'NaN'.")]
    [InlineData("SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS", "0", "SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS must be a number of steps from 1, got '0'.")]
    [InlineData("SGLANG_PROFILE_ATTACH_AT_START", "yes", "SGLANG_PROFILE_ATTACH_AT_START must be 1 or 0, true or false, got 'yes'.")]
    [InlineData("SGLANG_RETRACT_DECODE_STEPS", "10001", "SGLANG_RETRACT_DECODE_STEPS must be a number of tokens from 0 to 10000, got '10001'.")]
    [InlineData("SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION", "0", "SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION must be a number of tokens from 1, got '0'.")]
    [InlineData("SGLANG_MAX_NEW_TOKENS_LIMIT", "many", "SGLANG_MAX_NEW_TOKENS_LIMIT must be a number of tokens (0: no limit), got 'many'.")]
    [InlineData("SGLANG_FORCE_STREAM_INTERVAL", "0", "SGLANG_FORCE_STREAM_INTERVAL must be a number of tokens from 1 to 10000, got '0'.")]
    [InlineData("SGLANG_REQ_WAITING_TIMEOUT", "soon", "SGLANG_REQ_WAITING_TIMEOUT must be a number of seconds (0: no limit), got 'soon'.")]
    [InlineData("SGLANG_REQ_RUNNING_TIMEOUT", "NaN", "SGLANG_REQ_RUNNING_TIMEOUT must be a number of seconds (0: no limit), got 'NaN'.")]
    [InlineData("IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD", "-2", "IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD must be a number of tokens, or -1 to turn the check off, got '-2'.")]
    public void A_value_that_cannot_be_read_is_named(string name, string value, string message) =>
        Assert.Equal(message, Assert.Throws<EngineStartException>(() => Read(name, value)).Message);

    private static EngineEnvironment Read(string name, string value) => EngineEnvironment.Read(asked => asked == name ? value : null);
}
