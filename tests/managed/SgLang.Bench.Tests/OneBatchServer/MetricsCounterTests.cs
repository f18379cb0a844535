using SgLang.Bench.OneBatchServer;

namespace SgLang.Bench.Tests.OneBatchServer;

public class MetricsCounterTests
{
    [Fact]
    public void Labels_are_summed_and_other_counters_are_not()
    {
        const string Text = "# HELP sglang:prompt_tokens_total x\nsglang:prompt_tokens_total{a=\"1\",b=\"}\"} 12\nsglang:prompt_tokens_total{a=\"2\"} 3.5 1700000000\nsglang:prompt_tokens_total_created 99\nplain 4\n";
        Assert.Equal(15.5, MetricsCounter.Sum(Text, "sglang:prompt_tokens_total"));
        Assert.Equal(4, MetricsCounter.Sum(Text, "plain"));
        Assert.Null(MetricsCounter.Sum(Text, "sglang:cached_tokens_total"));
        Assert.Null(MetricsCounter.Sum(null, "plain"));
    }
}
