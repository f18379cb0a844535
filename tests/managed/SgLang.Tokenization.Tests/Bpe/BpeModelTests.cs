using System.Text.Json;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.ML.Tokenizers;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Patterns;
using BpeOptions = SgLang.Tokenization.Bpe.BpeOptions;

namespace SgLang.Tokenization.Tests.Bpe;

public sealed class BpeModelTests
{
    [Fact]
    public void Ids_equal_those_of_an_independent_implementation()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.DemoModel, "tokenizer.json")));
        JsonElement model = json.RootElement.GetProperty("model");
        BpeTokenizer other = BpeTokenizer.Create(new Microsoft.ML.Tokenizers.BpeOptions(model.GetProperty("vocab").EnumerateObject().Select(entry => KeyValuePair.Create(entry.Name, entry.Value.GetInt32())))
        {
            Merges = [.. model.GetProperty("merges").EnumerateArray().Select(merge => $"{merge[0].GetString()} {merge[1].GetString()}")],
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new Regex(KnownPatterns.Llama3, RegexOptions.CultureInvariant), specialTokens: null),
        });
        SgLang.Tokenization.Tokenizer ours = Golden.Tokenizer("demo");

        // That implementation splits by UTF-16 units, so only the basic plane compares; and it knows no other case of s than S.
        static bool IsComparable(string text) => !text.Any(c => char.IsSurrogate(c) || c == '\u017F') && !text.Contains("<|", StringComparison.Ordinal);
        Prop.ForAll(Arb.From(AnyText.WellFormed.Where(IsComparable)), text => ours.Encode(text, false).SequenceEqual(other.EncodeToIds(text))).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    /// <summary>The heap of long words against the scan of short ones and a search of every pair at every step.</summary>
    [Fact]
    public void Merging_takes_the_lowest_rank_and_then_the_leftmost()
    {
        (string, string)[] merges = [("a", "b"), ("b", "a"), ("ab", "ab"), ("a", "a"), ("aa", "b"), ("ba", "ba"), ("abab", "a"), ("c", "ab")];
        BpeModel model = Model(merges, new BpeOptions(), out Dictionary<string, int> vocabulary);
        Prop.ForAll(Arb.From(Gen.Elements('a', 'b', 'c').ArrayOf().Select(chars => new string(chars))), word =>
        {
            string longWord = word + string.Concat(Enumerable.Repeat("cabba", 8));
            return Encode(model, word).SequenceEqual(Plain(word, merges, vocabulary)) && Encode(model, longWord).SequenceEqual(Plain(longWord, merges, vocabulary));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void Ignore_merges_takes_a_word_of_the_vocabulary_whole()
    {
        (string, string)[] merges = [("a", "b"), ("c", "d"), ("a", "bc"), ("b", "c"), ("abc", "d")];
        Assert.Single(Encode(Model(merges, new BpeOptions { IgnoreMerges = true }, out _, "abcd"), "abcd"));
        Assert.Equal(2, Encode(Model(merges, new BpeOptions(), out _, "abcd"), "abcd").Count);
    }

    [Theory]
    [InlineData(true, 3)]
    [InlineData(false, 4)]
    public void Unknown_symbols_fuse_when_asked_to(bool fuses, int count) =>
        Assert.Equal(count, Encode(Model([("a", "b")], new BpeOptions { UnknownToken = "<unk>", FuseUnknown = fuses }, out _, "<unk>"), "axyb").Count);

    [Fact]
    public void Unknown_symbols_vanish_without_an_unknown_token() => Assert.Single(Encode(Model([("a", "b")], new BpeOptions(), out _), "axb"));

    [Fact]
    public void Merges_outside_the_vocabulary_are_refused()
    {
        var vocabulary = new Vocabulary(new Dictionary<string, int> { ["a"] = 0, ["b"] = 1 });
        Assert.Contains("merges[0]", Assert.Throws<TokenizerException>(() => BpeModel.FromMerges(vocabulary, [("a", "b")], new BpeOptions())).Message, StringComparison.Ordinal);
    }

    private static BpeModel Model((string Left, string Right)[] merges, BpeOptions options, out Dictionary<string, int> vocabulary, params string[] extra)
    {
        vocabulary = [];
        foreach (string token in "abcd".Select(c => c.ToString()).Concat(merges.SelectMany(merge => new[] { merge.Left, merge.Right, merge.Left + merge.Right })).Concat(extra).Distinct())
        {
            vocabulary.Add(token, vocabulary.Count);
        }

        return BpeModel.FromMerges(new Vocabulary(vocabulary), merges, options);
    }

    private static List<int> Encode(BpeModel model, string word)
    {
        var ids = new List<int>();
        model.Encode(word, ids);
        return ids;
    }

    private static IEnumerable<int> Plain(string word, (string Left, string Right)[] merges, Dictionary<string, int> vocabulary)
    {
        List<string> symbols = [.. word.Select(c => c.ToString())];
        while (true)
        {
            (int rank, int at) = Enumerable.Range(0, Math.Max(0, symbols.Count - 1))
                .Select(i => (Rank: Array.IndexOf(merges, (symbols[i], symbols[i + 1])), At: i)).Where(pair => pair.Rank >= 0).DefaultIfEmpty((-1, -1)).Min();
            if (rank < 0)
            {
                return symbols.Select(symbol => vocabulary[symbol]);
            }

            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }
}
