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

    [Theory]
    [InlineData("SGLANG_REQ_WAITING_TIMEOUT", "soon", "SGLANG_REQ_WAITING_TIMEOUT must be a number of seconds (0: no limit), got 'soon'.")]
    [InlineData("SGLANG_REQ_RUNNING_TIMEOUT", "NaN", "SGLANG_REQ_RUNNING_TIMEOUT must be a number of seconds (0: no limit), got 'NaN'.")]
    [InlineData("IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD", "-2", "IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD must be a number of tokens, or -1 to turn the check off, got '-2'.")]
    public void A_value_that_cannot_be_read_is_named(string name, string value, string message) =>
        Assert.Equal(message, Assert.Throws<EngineStartException>(() => Read(name, value)).Message);

    private static EngineEnvironment Read(string name, string value) => EngineEnvironment.Read(asked => asked == name ? value : null);
}
