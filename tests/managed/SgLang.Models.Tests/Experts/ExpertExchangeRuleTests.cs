using SgLang.Core;
using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Experts;

public sealed class ExpertExchangeRuleTests
{
    private static readonly ModelConfig s_config = ModelConfig.Load(TestFiles.Model("qwen3-moe"));

    /// <summary>The formula of docs/distributed.md against chosen experts drawn at random.</summary>
    [Theory]
    [InlineData(2, 2, 8, 2)]
    [InlineData(4, 4, 16, 4)]
    [InlineData(8, 8, 64, 8)]
    [InlineData(8, 4, 64, 2)]
    public void Saved_bytes_are_those_of_rows_that_need_not_travel(int ranks, int parts, int experts, int k)
    {
        const int Tokens = 20000, RowBytes = 4096;
        var rule = new ExpertExchangeRule { Rank = 0, NumRanks = ranks, NumParts = parts, NumExperts = experts, ExpertsPerToken = k, RowBytes = RowBytes, Threshold = 0 };
        var random = new Random(7);
        int[] order = [.. Enumerable.Range(0, experts)];
        long missed = 0;
        for (int token = 0; token < Tokens; token++)
        {
            random.Shuffle(order);
            // Of the ranks but the token's own, which is as good as any.
            for (int rank = 1; rank < ranks; rank++)
                if (order[..k].All(expert => expert / (experts / parts) != rank * parts / ranks)) missed++;
        }
        double routing = (ranks - 1.0) / ranks * Tokens * k * 8, expected = 2.0 * RowBytes * missed / ranks - routing;
        Assert.InRange(rule.SavedBytes(Tokens), expected - 0.03 * Math.Abs(expected + routing), expected + 0.03 * Math.Abs(expected + routing));
    }

    [Fact]
    public void Long_steps_exchange_and_short_ones_do_not()
    {
        ModelConfig large = s_config with { HiddenSize = 4096, NumExperts = 64, NumExpertsPerToken = 4 };
        ExpertExchangeRule rule = ExpertExchangeRule.For(large, RankPlace.All(8, epSize: 8)[3], DType.BF16, DeviceKind.Cuda, ExpertExchangeMode.Auto)!;
        Assert.False(rule.Serves(1));
        Assert.False(rule.Serves(512));
        Assert.True(rule.Serves(8192));
        Assert.False(rule.Serves(0));
    }

    [Theory]
    [InlineData(1, 1, ExpertExchangeMode.Always)]
    [InlineData(4, 1, ExpertExchangeMode.Always)]
    [InlineData(4, 4, ExpertExchangeMode.Never)]
    public void Experts_of_which_every_rank_has_a_share_are_never_exchanged(int tp, int ep, ExpertExchangeMode mode) =>
        Assert.Null(ExpertExchangeRule.For(s_config, RankPlace.All(tp, epSize: ep)[0], DType.F32, DeviceKind.Cpu, mode));

    [Fact]
    public void A_dense_model_has_nothing_to_exchange() =>
        Assert.Null(ExpertExchangeRule.For(ModelConfig.Load(TestFiles.Model("llama")), RankPlace.All(2, epSize: 2)[0], DType.F32, DeviceKind.Cpu, ExpertExchangeMode.Always));
}
