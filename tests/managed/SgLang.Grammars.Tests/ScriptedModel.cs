using System.Text;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests;

/// <summary>A model of random logits: at each step it draws from the tokens that the mask allows, and towards the end it closes what is open.</summary>
internal sealed class ScriptedModel(int seed)
{
    public const int Eos = 0;

    private readonly Random _random = new(seed);

    public static TokenVocabulary Vocabulary { get; } = MakeVocabulary();

    public static byte[] BytesOf(int id) => Vocabulary.Bytes[id] ?? [];

    public static CompiledGrammar Compile(GrammarKind kind, string text, GrammarOptions? options = null) =>
        GrammarCompiler.Compile(new GrammarSpec(kind, text), Vocabulary, options ?? GrammarOptions.Default, CancellationToken.None);

    /// <summary>A whole output.</summary>
    /// <param name="patience">Tokens drawn freely before the model tries to end.</param>
    public byte[] Generate(CompiledGrammar grammar, int patience)
    {
        var matcher = new GrammarMatcher(grammar, [Eos]);
        var text = new MemoryStream();
        int[] mask = new int[grammar.MaskWords];
        for (int step = 0; step < patience + 3000; step++)
        {
            Assert.True(matcher.TryFillMask(mask));
            int id = Draw(mask, matcher, isEnding: step >= patience);
            matcher.Accept(id);
            Assert.False(matcher.IsDead);
            if (matcher.IsFinished) return text.ToArray();
            text.Write(BytesOf(id));
        }
        throw new InvalidOperationException($"no end after {patience + 3000} tokens: {Encoding.UTF8.GetString(text.ToArray())}");
    }

    private int Draw(int[] mask, GrammarMatcher matcher, bool isEnding)
    {
        List<int> allowed = Allowed(mask);
        Assert.True(allowed.Count > 0, "nothing is allowed");
        Assert.Equal(matcher.IsComplete, allowed.Contains(Eos));
        if (allowed.Contains(Eos) && (isEnding || _random.Next(6) == 0)) return Eos;
        if (isEnding)
        {
            // Often what closes a JSON text, and else single characters, one of which ends whatever else there is.
            int[] closing = [.. allowed.Where(id => BytesOf(id) is [(byte)'"' or (byte)'}' or (byte)']'])];
            int[] single = [.. allowed.Where(id => BytesOf(id) is [< 0x80])];
            if (closing.Length > 0 && _random.Next(2) == 0) return closing[_random.Next(closing.Length)];
            if (single.Length > 0) return single[_random.Next(single.Length)];
        }
        allowed.Remove(Eos);
        return allowed.Count == 0 ? Eos : allowed[_random.Next(allowed.Count)];
    }

    public static List<int> Allowed(int[] mask)
    {
        var ids = new List<int>();
        for (int id = 0; id < mask.Length * 32; id++)
            if ((mask[id >> 5] >> (id & 31) & 1) != 0) ids.Add(id);
        return ids;
    }

    /// <summary>Every byte, pieces of JSON and of text, cut characters, and joins of all these, with two tokens for some texts.</summary>
    private static TokenVocabulary MakeVocabulary()
    {
        var random = new Random(7);
        var tokens = new List<byte[]?> { null };
        for (int value = 0; value < 256; value++) tokens.Add([(byte)value]);
        string[] pieces =
        [
            "{\"", "\":", "\": ", "\",", "\", \"", "},", "}", "]", "],", "[{", "{}", "[]", "[1", "\\\"", "\\\\", "\\n", "\\u00", "\\ud83d\\ude00", "true", "false", "null", " true",
            "name", "age", " the", "and", "Zürich", "日本", "語", "é", "ß", "😀", "ق", "  ", "\n    ", "\n", "0", "00", "12", "999", "-", "-1", ".5", "e+1", "1e", "2024-", "T1", ":00",
            "http", "://", "@", ".com", "abc", "ABC", "x", "_", "id", "tag", "value", "items", "\"a\"", "b\"", "\"id\"", ": {", ", ", ",\n", "1}", "2]", "\"}", "\"]", "a1", "foo", "bar",
        ];
        foreach (string piece in pieces) tokens.Add(Encoding.UTF8.GetBytes(piece));
        int simple = tokens.Count;
        for (int i = 0; i < 900; i++) tokens.Add([.. tokens[random.Next(1, simple)]!, .. tokens[random.Next(257, simple)]!, .. random.Next(2) == 0 ? tokens[random.Next(257, simple)]! : []]);
        tokens.Add(Encoding.UTF8.GetBytes("abc"));
        tokens.Add("日"u8[..2].ToArray());
        tokens.Add([.. "日"u8[2..].ToArray(), (byte)'"']);
        tokens.Add("😀"u8[..3].ToArray());
        tokens.Add(null);
        tokens.Add([]);
        return new TokenVocabulary(tokens.Count + 45, tokens);
    }
}
