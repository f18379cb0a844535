using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using SgLang.Tokenization.Patterns;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Tests.Patterns;

public sealed class CodePointRegexTests
{
    private static readonly JsonObject s_golden = JsonNode.Parse(File.ReadAllText(Path.Combine(TestPaths.Root, "tests", "data", "tokenizers", "pattern_golden.json")))!.AsObject();

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, s_golden["cases"]!.AsArray().Count)];

    public static TheoryData<string> Known => [KnownPatterns.Gpt2, KnownPatterns.Llama3, KnownPatterns.Qwen2, KnownPatterns.O200k];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Matches_are_those_of_a_code_point_regex_engine(int index)
    {
        string pattern = s_golden["cases"]![index]!["pattern"]!.GetValue<string>();
        JsonArray texts = s_golden["texts"]!.AsArray();
        for (int i = 0; i < texts.Count; i++)
        {
            string text = texts[i]!.GetValue<string>();
            IEnumerable<string> expected = s_golden["cases"]![index]!["matches"]![i]!.AsArray().Select(match => match!.GetValue<string>());
            Assert.Equal(expected, Matches(new RegexDelimiter(new CodePointRegex(pattern)), text));
            if (KnownPatterns.Find(pattern) is { } known)
            {
                Assert.Equal(expected, Matches(known, text));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Known))]
    public void Hand_written_splitters_equal_their_patterns(string pattern)
    {
        Delimiter known = KnownPatterns.Find(pattern)!;
        var regex = new RegexDelimiter(new CodePointRegex(pattern));
        Prop.ForAll(AnyText.WellFormedArbitrary, text => Matches(known, text).SequenceEqual(Matches(regex, text))).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Theory]
    [InlineData("(a")]
    [InlineData("a)")]
    [InlineData("[a")]
    [InlineData("*a")]
    [InlineData(@"\p{Nothing}")]
    [InlineData(@"\p{L")]
    [InlineData(@"a\")]
    [InlineData(@"(a)\1")]
    [InlineData(@"\X")]
    [InlineData("(a*)*")]
    [InlineData("[b-a]")]
    [InlineData("a{3,2}")]
    [InlineData("(?<=a+)b")]
    [InlineData("(((a{1000}){1000}){1000})")]
    public void What_is_not_supported_is_refused(string pattern) => Assert.Throws<TokenizerException>(() => new CodePointRegex(pattern));

    [Fact]
    public void Exponential_backtracking_is_cut_off()
    {
        var regex = new CodePointRegex("(a|a)+(a|a)+(a|a)+b$");
        Assert.Throws<TokenizerException>(() => regex.TryFind(new string('a', 200), 0, out _, out _));
    }

    [Fact]
    public void Long_runs_do_not_overflow_the_stack()
    {
        string text = new string('a', 1_000_000) + "b";
        Assert.True(new CodePointRegex("(?:a|c)+b").TryFind(text, 0, out int start, out int end));
        Assert.Equal((0, text.Length), (start, end));
    }

    private static List<string> Matches(Delimiter delimiter, string text)
    {
        var matches = new List<string>();
        for (int position = 0; position < text.Length && delimiter.TryFind(text, position, out int start, out int end); position = end)
        {
            matches.Add(text[start..end]);
        }

        return matches;
    }
}
