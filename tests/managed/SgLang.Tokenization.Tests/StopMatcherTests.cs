using FsCheck;
using FsCheck.Fluent;

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
        Assert.Equal("abc ENDabc END"[..4], matcher.Append("abc E"));
        Assert.Equal("END", matcher.Append("ND def"));
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
                    // Exactly the longest tail that begins a stop string is held back.
                    int held = Enumerable.Range(0, given.Length + 1).Reverse().First(n => n == 0 || sample.Stops.Any(stop => stop.StartsWith(given[^n..], StringComparison.Ordinal)));
                    Assert.Equal(given[..^held], shown);
                }
            }

            (int end, string? found) = PlainSearch(given, sample.Stops);
            Assert.Equal(found, matcher.Matched);
            string expected = found is null ? given : given[..(sample.Keep ? end : end - found.Length)];
            return shown + matcher.Finish() == expected;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
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
