using FsCheck;
using FsCheck.Fluent;
using SgLang.Grammars.Searching;

namespace SgLang.Grammars.Tests.Searching;

public sealed class RegexSearchTests
{
    [Theory]
    [InlineData("a+", "xaaa", "a", 1)]
    [InlineData("a+b", "xaaab", "aaab", 1)]
    [InlineData("ab|b", "xab", "ab", 1)]
    [InlineData(@"\d{3}", "12 3456", "345", 3)]
    [InlineData(@"\n\n(?:User|System):", "so.\n\nUser: and", "\n\nUser:", 3)]
    [InlineData("<(?<tag>b|i)>", "a <i> b", "<i>", 2)]
    [InlineData("^ab", "ab", "ab", 0)]
    [InlineData("^ab|cd$", "xabcd", "cd", 3)]
    [InlineData(".*c", "abc", "abc", 0)]
    [InlineData(@"[^\x00-\x7f]", "ab\U0001F600c", "\U0001F600", 2)]
    [InlineData("\U0001F600+!", "a\U0001F600\U0001F600!", "\U0001F600\U0001F600!", 1)]
    [InlineData("é|ß", "straße", "ß", 4)]
    public void The_match_that_ends_first_is_found_from_its_earliest_beginning(string pattern, string text, string match, int beginning)
    {
        RegexSearch search = RegexSearch.Create(pattern);
        int end = FirstEnd(search, text);
        Assert.Equal(match, text[(end - search.PendingLength)..end]);
        Assert.Equal(beginning, end - search.PendingLength);
        Assert.Equal(pattern, search.Pattern);
    }

    [Theory]
    [InlineData("^b", "ab")]
    [InlineData("a.c", "a\nc")]
    [InlineData("a{4}", "aaabaaa")]
    [InlineData("\U0001F600", "\ud83da\ude00")]
    public void What_does_not_match_is_not_found(string pattern, string text) => Assert.Equal(-1, FirstEnd(RegexSearch.Create(pattern), text));

    [Theory]
    [InlineData("a*", "it matches the empty text, which is found before anything is written")]
    [InlineData("^", "it matches the empty text, which is found before anything is written")]
    [InlineData("x|$", "it matches the empty text, which is found before anything is written")]
    [InlineData("(ab", "at character 1: the group has no end")]
    [InlineData("a(?=b)", "at character 2: only (?: and named groups are supported; lookahead, lookbehind, flags and conditions are not")]
    [InlineData(@"(a)\1", "at character 4: references to groups are not supported")]
    [InlineData("a^b", "at character 2: ^ is supported only at the beginning")]
    [InlineData("(a{99}){99}", "it needs more than 4096 states; use smaller repetition counts")]
    [InlineData("((((a{999}){999}){999}){999}){999}", "it needs more than 4096 states; use smaller repetition counts")]
    public void What_cannot_be_searched_for_is_refused_with_its_reason(string pattern, string message) =>
        Assert.Equal(message, Assert.Throws<GrammarException>(() => RegexSearch.Create(pattern)).Message);

    /// <summary>A backtracking search would not end in a lifetime.</summary>
    [Theory]
    [InlineData("(a|a)*(a|a)*(a|a)*b")]
    [InlineData("((a*)*)*b")]
    [InlineData("(a?){30}a{30}b")]
    public void An_expression_that_ruins_a_backtracking_search_is_found_in_linear_time(string pattern)
    {
        string text = new string('a', 50_000) + "b";
        RegexSearch search = RegexSearch.Create(pattern);
        Assert.Equal(text.Length, FirstEnd(search, text));
    }

    [Fact]
    public void Every_expression_agrees_with_a_plain_search_and_holds_back_no_less_than_a_match_needs()
    {
        Gen<string> text = Gen.Elements('a', 'b', 'c').ArrayOf().Select(chars => new string(chars));
        Prop.ForAll(Arb.From(Expression(3)), Arb.From(text), (pattern, given) =>
        {
            var whole = new System.Text.RegularExpressions.Regex($@"\A(?:{pattern})\z");
            if (whole.IsMatch("")) return;
            RegexSearch search = RegexSearch.Create(pattern);
            int earliestPending = 0; // everything before it has been shown
            for (int end = 1; end <= given.Length; end++)
            {
                int beginning = Enumerable.Range(0, end).FirstOrDefault(start => whole.IsMatch(given[start..end]), -1);
                bool found = search.Take(given[end - 1]);
                Assert.Equal(beginning >= 0, found);
                if (found)
                {
                    Assert.Equal(end - beginning, search.PendingLength);
                    Assert.True(beginning >= earliestPending, "the beginning of the match has been shown");
                    return;
                }
                earliestPending = Math.Max(earliestPending, end - search.PendingLength);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }

    private static Gen<string> Expression(int depth)
    {
        Gen<string> letter = Gen.Elements("a", "b", "c", ".", "[ab]", "[^a]");
        if (depth == 0) return letter;
        Gen<string> inner = Expression(depth - 1);
        return Gen.OneOf(
            letter,
            inner.Two().Select(pair => pair.Item1 + pair.Item2),
            inner.Two().Select(pair => $"(?:{pair.Item1}|{pair.Item2})"),
            Gen.Elements("*", "+", "?", "{2}", "{1,3}", "*?", "{2,}").SelectMany(_ => inner, (quantifier, item) => $"(?:{item}){quantifier}"));
    }

    private static int FirstEnd(RegexSearch search, string text)
    {
        for (int i = 0; i < text.Length; i++)
            if (search.Take(text[i])) return i + 1;
        return -1;
    }
}
