using FsCheck;
using FsCheck.Fluent;
using SgLang.Core;

namespace SgLang.Tokenization.Tests;

public sealed class StopMatcherTests
{
    [Fact]
    public void Text_before_the_stop_string_is_shown_and_nothing_after()
    {
        var matcher = new StopMatcher(["END"], keepMatch: false);
        Assert.Equal("abc ", matcher.Append("abc EN"));
        Assert.Equal("", matcher.Append("D def"));
        Assert.Equal("END", matcher.Matched);
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Finish());
    }

    [Fact]
    public void Keep_match_shows_the_stop_string_too()
    {
        var matcher = new StopMatcher(["END"], keepMatch: true);
        Assert.Equal("abc E", matcher.Append("abc E"));
        Assert.Equal("ND", matcher.Append("ND def"));
    }

    [Fact]
    public void Of_several_ending_together_the_one_that_begins_first_is_found()
    {
        var matcher = new StopMatcher(["b", "ab", "xab"], keepMatch: false);
        Assert.Equal("y", matcher.Append("yxab"));
        Assert.Equal("xab", matcher.Matched);
    }

    [Fact]
    public void A_prefix_that_is_not_continued_is_shown()
    {
        var matcher = new StopMatcher(["aab"], keepMatch: false);
        Assert.Equal("a", matcher.Append("aaa"));
        Assert.Equal("aac", matcher.Append("c"));
        Assert.Equal("", matcher.Append("aa"));
        Assert.Equal("aa", matcher.Finish());
        Assert.Null(matcher.Matched);
    }

    [Fact]
    public void Without_stop_strings_everything_is_shown_at_once()
    {
        Assert.Equal("text", new StopMatcher([], false).Append("text"));
        Assert.Equal("text", new StopMatcher([""], false).Append("text"));
    }

    [Fact]
    public void Any_chunking_agrees_with_a_plain_search()
    {
        Gen<string> word = Gen.Elements('a', 'b', 'c').ArrayOf().Select(chars => new string(chars));
        Gen<(string[] Stops, string[] Chunks, bool Keep)> cases =
            from stops in word.Where(stop => stop.Length is > 0 and < 6).ArrayOf(3)
            from chunks in word.ArrayOf()
            from keep in Gen.Elements(true, false)
            select (stops, chunks, keep);
        Prop.ForAll(Arb.From(cases), sample =>
        {
            var matcher = new StopMatcher(sample.Stops, sample.Keep);
            string shown = "";
            string given = "";
            foreach (string chunk in sample.Chunks)
            {
                given += chunk;
                shown += matcher.Append(chunk);
                if (matcher.Matched is null)
                {
                    // Exactly the longest tail that begins a stop string is held back, where it would not be shown.
                    int held = sample.Keep ? 0 : Enumerable.Range(0, given.Length + 1).Reverse().First(n => n == 0 || sample.Stops.Any(stop => stop.StartsWith(given[^n..], StringComparison.Ordinal)));
                    Assert.Equal(given[..^held], shown);
                }
            }

            (int end, string? found) = PlainSearch(given, sample.Stops);
            Assert.Equal(found, matcher.Matched);
            string expected = found is null ? given : given[..(sample.Keep ? end : end - found.Length)];
            return shown + matcher.Finish() == expected;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [Theory]
    [InlineData("xab", "yxab", "y", "xab")]
    [InlineData("b", "yxab", "yx", "ab")]
    [InlineData("zz", "yxab", "yx", "ab")]
    [InlineData("x", "yxab", "y", "x")]
    public void Of_strings_and_patterns_the_first_to_end_is_found_and_of_those_the_first_to_begin(string stop, string text, string shown, string found)
    {
        var matcher = new StopMatcher([stop], keepMatch: false, [new Literal("ab")]);
        Assert.Equal(shown, matcher.Append(text));
        Assert.Equal(found, matcher.Matched);
    }

    [Fact]
    public void What_may_begin_a_pattern_is_held_back_and_shown_at_the_end()
    {
        var matcher = new StopMatcher([], keepMatch: false, [new Literal("abc")]);
        Assert.Equal("x", matcher.Append("xab"));
        Assert.Equal("ab", matcher.Append("a"));
        Assert.Equal("a", matcher.Finish());
    }

    /// <summary>A pattern that is a string without a repeated letter.</summary>
    private sealed class Literal(string pattern) : ITextSearch
    {
        public string Pattern => pattern;
        public int PendingLength { get; private set; }

        public bool Take(char unit)
        {
            PendingLength = unit == pattern[PendingLength] ? PendingLength + 1 : unit == pattern[0] ? 1 : 0;
            return PendingLength == pattern.Length;
        }
    }

    private static (int End, string? Found) PlainSearch(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? found = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).OrderByDescending(stop => stop.Length).FirstOrDefault();
            if (found is not null)
            {
                return (end, found);
            }
        }

        return (text.Length, null);
    }
}
