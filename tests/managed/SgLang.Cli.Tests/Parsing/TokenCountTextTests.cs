using SgLang.Cli.Parsing;

namespace SgLang.Cli.Tests.Parsing;

public class TokenCountTextTests
{
    [Theory]
    [InlineData("8192", 8192)]
    [InlineData("-1", -1)]
    [InlineData("8k", 8000)]
    [InlineData("1.5k", 1500)]
    [InlineData("1.0015k", 1001)]
    [InlineData("2M", 2_000_000)]
    [InlineData("0.5G", 500_000_000)]
    [InlineData("1T", 1_000_000_000_000)]
    [InlineData("8Ki", 8192)]
    [InlineData("2Mi", 2_097_152)]
    [InlineData("1Gi", 1_073_741_824)]
    [InlineData("1Ti", 1_099_511_627_776)]
    public void Suffixes_scale(string text, long tokens)
    {
        Assert.True(TokenCountText.TryParse(text, out long parsed));
        Assert.Equal(tokens, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("8K")]
    [InlineData("8m")]
    [InlineData("1.5")]
    [InlineData("1.5Ki")]
    [InlineData("8ki")]
    [InlineData("8 k")]
    [InlineData("1e3")]
    [InlineData("99999999999999999999T")]
    public void Anything_else_is_refused(string text) => Assert.False(TokenCountText.TryParse(text, out _));
}
