using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class FinishRulesTests
{
    private const int Eos = 7;

    [Fact]
    public void Length_wins_over_a_stop_token() => Assert.Equal(FinishReason.Length, Check(Request(maxNew: 3, generated: 2), Eos));

    [Fact]
    public void A_stop_token_ends_the_output() => Assert.Equal(FinishReason.StopToken(Eos), Check(Request(maxNew: 3, generated: 1), Eos));

    [Fact]
    public void Other_tokens_do_not() => Assert.Null(Check(Request(maxNew: 3, generated: 1), 8));

    [Fact]
    public void A_stop_token_among_the_first_min_new_tokens_is_ignored()
    {
        Assert.Null(Check(Request(maxNew: 9, generated: 1, minNew: 2), Eos));
        Assert.Equal(FinishReason.StopToken(Eos), Check(Request(maxNew: 9, generated: 2, minNew: 2), Eos));
    }

    [Theory]
    [InlineData(-1, 100)]
    [InlineData(100, 100)]
    [InlineData(-5, 0)]
    public void An_id_that_is_no_token_ends_the_output_and_is_not_kept(int id, int vocabularySize)
    {
        Assert.Equal(FinishReason.StopString("NaN happened"), FinishRules.Check(Request(9, 1), id, vocabularySize, out bool keeps));
        Assert.False(keeps);
        Assert.Equal(FinishReason.Length, FinishRules.Check(Request(2, 1), id, vocabularySize, out keeps));
        Assert.False(keeps);
    }

    private static FinishReason? Check(Request request, int id)
    {
        FinishReason? reason = FinishRules.Check(request, id, 100, out bool keepsToken);
        Assert.True(keepsToken);
        return reason;
    }

    private static Request Request(int maxNew, int generated, int minNew = 0)
    {
        Request request = Harness.Make("r", [1, 2], maxNew, [3, Eos]);
        request.MaxNewTokens = maxNew;
        request.MinNewTokens = minNew;
        for (int i = 0; i < generated; i++) request.TokenBuffer.Append(50 + i);
        return request;
    }
}
