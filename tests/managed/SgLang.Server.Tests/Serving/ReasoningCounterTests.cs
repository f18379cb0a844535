using System.Reflection;
using SgLang.Server.Parsing;
using SgLang.Server.Serving;
using SgLang.Tokenization;

namespace SgLang.Server.Tests.Serving;

public sealed class ReasoningCounterTests
{
    private static readonly Tokenizer s_tokenizer = Tokenizer.Load(Path.Combine(
        typeof(ReasoningCounterTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!, "models", "demo"));

    [Theory]
    [InlineData("<think>In the beginning was the word.</think>\n\nAmen. Amen.", false)]
    [InlineData("In the beginning</think>And the earth", true)]
    [InlineData("<think></think>x", false)]
    public void Tokens_up_to_the_one_that_closes_the_reasoning_are_counted(string answer, bool isOpen)
    {
        int[] ids = s_tokenizer.Encode(answer, addSpecialTokens: false);
        int expected = Enumerable.Range(1, ids.Length).First(n => s_tokenizer.Decode(ids.AsSpan(0, n), skipSpecialTokens: true).Contains("</think>", StringComparison.Ordinal));
        Assert.True(expected < ids.Length, "the answer must go on after its reasoning");
        foreach (int size in new[] { 1, 3, ids.Length }) Assert.Equal(expected, Count(ids, isOpen, size));
    }

    [Fact]
    public void An_answer_that_does_not_reason_counts_nothing_and_one_that_never_ends_counts_all()
    {
        int[] plain = s_tokenizer.Encode("In the beginning <think>", addSpecialTokens: false);
        Assert.Equal(0, Count(plain, isOpen: false, 1));
        Assert.Equal(plain.Length, Count(plain, isOpen: true, 2));
    }

    private static int Count(int[] ids, bool isOpen, int size)
    {
        var counter = new ReasoningCounter(new ReasoningSplitter(isOpen), s_tokenizer.CreateStream(skipSpecialTokens: true));
        foreach (int[] chunk in ids.Chunk(size)) counter.Add(chunk);
        return counter.Tokens;
    }
}
