using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests.Regex;

public class RegexTests
{
    public static TheoryData<string> Expressions =>
    [
        "a", "abc", "(foo|bar|baz)", "[a-z]+", "[A-Z][a-z]{2,8}", "\\d{4}", "\\d{4}-\\d{2}-\\d{2}", "^hello$", "^(yes|no)$", "(?:ab)*", "(ab)+c?", "a{0}", "a{3}", "a{2,}", "a{,3}b",
        "a*?b", "x+?y??", "[^a]", "[^abc]{2}", "[^\\d]", "[\\w.]+@[\\w]+\\.(com|org)", "\\w{1,10}", "\\s{1,3}", "\\S+", "\\D{2}", "\\W", ".{1,5}", ".*", "(.|\\n){3}", "\\.", "\\\\", "\\/", "\\[x\\]",
        "[\\]\\-x]", "[]a]", "[a-]", "[-a]", "[a\\-z]", "[\\n\\t ]", "\\t\\r\\n", "\\x41\\x42", "\\u00e9", "[\\u00e0-\\u00ff]{3}", "[à-ÿ]+", "日本語", "[日本]{2}", "(日本|東京)の", "[\\u3040-\\u309f]{1,4}",
        "\\p{Lu}{2}", "\\p{L}+", "\\P{L}{3}", "[\\p{Nd}a]{4}", "[^\\p{L}]{2}", "(a|ab)(c|bcd)(d*)", "(a*)*b", "(a|b)*abb", "(a|b)*a(a|b){5}", "((a{1,2}){1,2}){1,2}", "(|a)b", "a|", "()", "",
        "-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?", "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3}", "#[0-9a-fA-F]{6}", "(?<year>\\d{4})(?P<m>\\d\\d)",
        "[A-Za-z_][A-Za-z0-9_]*", "\"([^\"\\\\]|\\\\.)*\"", "<(b|i)>[^<]*</(b|i)>", "(Mon|Tue|Wed|Thu|Fri) \\d{1,2}", "\\+?\\d{1,3}[- ]?\\(?\\d{3}\\)?[- ]?\\d{4}", "[01]{8}( [01]{8})*",
        "(\\{\"a\": \\d\\},?){1,3}", "😀+", "[😀-😂]{2}", "{", "a{x", "}", "[{}]", "a{1,2}{2}", "(?:(?:(?:x)))", "[\\b]", "\\$\\d+\\.\\d\\d", "a\\|b", "[|]", "[.]", "[*+?]", "[\\s\\S]{4}", "[\\d-x]", "[a-c]|[x-z]+",
        "Q: .{1,20}\\nA: (yes|no)\\.", "\\(\\d+(, \\d+)*\\)", "([a-z]{1,3}\\.){2}[a-z]{2,4}", "[^\\x00-\\x7F]{2}", "[^\\n]{3,6}", "(a?){5}a{5}", "(x|y|z){3,5}", "\\0", "\\v?\\f?a",
    ];

    [Theory]
    [MemberData(nameof(Expressions))]
    public void Whatever_is_generated_matches(string expression)
    {
        int seed = Random.Shared.Next();
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Regex, expression);
        var oracle = new System.Text.RegularExpressions.Regex($"^(?:{ForDotNet(expression)})\\z", RegexOptions.CultureInvariant);
        var model = new ScriptedModel(seed);
        for (int i = 0; i < 20; i++)
        {
            string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(model.Generate(grammar, patience: 15));
            Assert.True(oracle.IsMatch(OneUnitEach(text)), $"seed {seed}: \"{text}\" does not match {expression}");
        }
    }

    [Theory]
    [InlineData("(a|b)*abb", "aababb", "abab")]
    [InlineData("a{2,3}", "aaa", "aaaa")]
    [InlineData("[^a]b", "éb", "ab")]
    [InlineData(".", "😀", "\n")]
    [InlineData("\\d+", "0123", "12a")]
    public void Texts_are_told_apart(string expression, string inside, string outside)
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Regex, expression);
        Assert.True(Accepts(grammar, inside));
        Assert.False(Accepts(grammar, outside));
    }

    [Theory]
    [InlineData("(", "the group has no end")]
    [InlineData("a)", "')' closes nothing")]
    [InlineData("[a", "the class has no end")]
    [InlineData("*a", "repeats nothing")]
    [InlineData("a{3,2}", "wrong order")]
    [InlineData("[z-a]", "wrong order")]
    [InlineData("a(?=b)", "lookahead")]
    [InlineData("(?<!a)b", "lookbehind")]
    [InlineData("(?i)a", "flags")]
    [InlineData("(a)\\1", "references")]
    [InlineData("a\\b", "\\b is not supported")]
    [InlineData("a++", "possessive")]
    [InlineData("a^b", "only at the beginning")]
    [InlineData("a$b", "only at the end")]
    [InlineData("\\p{Greek}", "not supported")]
    [InlineData("\\q", "no escape")]
    [InlineData("\\", "escapes nothing")]
    [InlineData("\\ud800", "surrogate")]
    [InlineData("[^\\s\\S]", "no character")]
    [InlineData("a{99999999999}", "too many")]
    public void What_cannot_be_served_is_refused_with_the_reason(string expression, string reason)
    {
        GrammarException refused = Assert.Throws<GrammarException>(() => ScriptedModel.Compile(GrammarKind.Regex, expression));
        Assert.Contains(reason, refused.Message);
    }

    [Theory]
    [InlineData("(a|b)*a(a|b){30}")]
    [InlineData("(.{0,1000}x){1000}")]
    [InlineData("a{1000000000}")]
    [InlineData("((a{1,100}){1,100}){1,100}b")]
    public void An_explosion_ends_at_the_limit_of_states(string expression)
    {
        var options = new GrammarOptions { MaxStates = 100_000 };
        GrammarException refused = Assert.Throws<GrammarException>(() => ScriptedModel.Compile(GrammarKind.Regex, expression, options));
        Assert.Contains("more than 100000 states", refused.Message);
    }

    [Fact]
    public void A_compilation_ends_when_its_time_is_over()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        GrammarException refused = Assert.Throws<GrammarException>(() =>
            GrammarCompiler.Compile(new GrammarSpec(GrammarKind.Regex, "(a|b)*a(a|b){18}"), ScriptedModel.Vocabulary, GrammarOptions.Default, cancelled.Token));
        Assert.Contains("--grammar-compile-timeout", refused.Message);
    }

    private static bool Accepts(CompiledGrammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            // Ids 1 to 256 are the bytes.
            matcher.Accept(value + 1);
            if (matcher.IsDead) return false;
        }
        return matcher.IsComplete;
    }

    /// <summary>.NET counts UTF-16 units; here a character beyond them becomes one unit of its kind, in the text and in the expression.</summary>
    private static string OneUnitEach(string text)
    {
        var mapped = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes()) mapped.Append(rune.IsBmp ? (char)rune.Value : UnitFor(rune));
        return mapped.ToString();
    }

    private static char UnitFor(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter => 'À',
        UnicodeCategory.DecimalDigitNumber => '٣',
        UnicodeCategory.OtherSymbol => (char)(0xE000 + rune.Value % 0x1000),
        _ when Rune.IsLetter(rune) => '語',
        UnicodeCategory.OtherNumber or UnicodeCategory.LetterNumber => '½',
        _ => '\uF000',
    };

    private static string ForDotNet(string expression) => OneUnitEach(expression.Replace("(?P<", "(?<", StringComparison.Ordinal).Replace("{,3}", "{0,3}", StringComparison.Ordinal)
        .Replace("\\0", "\\x00", StringComparison.Ordinal).Replace("a{1,2}{2}", "(a{1,2}){2}", StringComparison.Ordinal));
}
