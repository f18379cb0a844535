using SgLang.Server.Parsing;

namespace SgLang.Server.Tests.Parsing;

public class ReasoningSplitterTests
{
    [Theory]
    [InlineData(false, "<think>a b</think>\n\nc", "a b", "c")]
    [InlineData(false, "\n<think>a</think>c", "a", "c")]
    [InlineData(false, "no thinking", "", "no thinking")]
    [InlineData(false, "<thin air", "", "<thin air")]
    [InlineData(false, "a <think>b</think>", "", "a <think>b</think>")]
    [InlineData(false, "<think></think>\n\nc", "", "c")]
    [InlineData(false, "<think>never ends </thi", "never ends </thi", "")]
    [InlineData(true, "a</think>c", "a", "c")]
    [InlineData(true, "<think>a</think>c", "a", "c")]
    [InlineData(true, "a < b </think> c</think>", "a < b ", "c</think>")]
    [InlineData(true, "cut short", "cut short", "")]
    [InlineData(true, "", "", "")]
    public void Thinking_is_told_apart_wherever_the_text_is_cut(bool isOpen, string text, string reasoning, string content)
    {
        for (int cut = 0; cut <= text.Length; cut++) Assert.Equal((reasoning, content), Split(isOpen, true, text[..cut], text[cut..]));
        Assert.Equal((reasoning, content), Split(isOpen, true, [.. text.Select(c => c.ToString())]));
        Assert.Equal((reasoning, content), Split(isOpen, false, [.. text.Select(c => c.ToString())]));
    }

    [Fact]
    public void Reasoning_comes_in_one_piece_where_it_is_not_streamed()
    {
        var splitter = new ReasoningSplitter(isOpen: true, streamsReasoning: false);
        var parts = new List<ParsedPart>();
        foreach (string piece in new[] { "a", "b", "c</th", "ink>d" }) splitter.Append(piece, parts);
        splitter.End(parts);
        Assert.Equal([new ParsedPart(ParsedKind.Reasoning, "abc"), new ParsedPart(ParsedKind.Content, "d")], parts);
    }

    private static (string, string) Split(bool isOpen, bool streams, params string[] pieces)
    {
        var splitter = new ReasoningSplitter(isOpen, streams);
        var parts = new List<ParsedPart>();
        foreach (string piece in pieces) splitter.Append(piece, parts);
        splitter.End(parts);
        return (string.Concat(parts.Where(p => p.Kind == ParsedKind.Reasoning).Select(p => p.Text)), string.Concat(parts.Where(p => p.Kind == ParsedKind.Content).Select(p => p.Text)));
    }
}
