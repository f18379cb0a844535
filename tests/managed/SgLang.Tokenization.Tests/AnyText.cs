using FsCheck;
using FsCheck.Fluent;

namespace SgLang.Tokenization.Tests;

/// <summary>Random texts of what splits and encodings depend on: letters of every category, digits, marks, whitespace, punctuation, astral characters.</summary>
internal static class AnyText
{
    private static readonly string[] s_pieces = ["a", "b", "xyz", "The", "HTTP", "k", "S", "s", "\u017F", "'", "'s", "'LL", "'Re", " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "\u2028", "1", "23", "4567", "\u0663", "½", "Ⅷ",
        "\U0001D7D8", "é", "É", "ß", "ǅ", "ʰ", "漢字", "かな", "カナー", "\u0301", "\u093E", "\U0001D49C", "\U00010400", "\U00010428", "😀", "👩\u200D👧", "🇩🇪", "!", "-", "_", "/", "//", "(", "$", "€", "…", "、", "\0", "\u200B",
        "\uFFFD", "\u2581", "<0x41>", "</s>", "<s>", "<|eot_id|>", "<|im_start|>", "ק", "م", "한국", "\u1112\u1161\u11AB", "\U0010FFFF", "\u0085"];

    public static Gen<string> WellFormed => Gen.OneOf(Gen.Elements(s_pieces), Gen.Choose(32, 126).Select(c => ((char)c).ToString()),
        Gen.Choose(0xA0, 0xD7FF).Select(c => ((char)c).ToString()), Gen.Choose(0x10000, 0x1FFFF).Select(char.ConvertFromUtf32)).ArrayOf().Select(string.Concat);

    /// <summary>Also lone surrogates.</summary>
    public static Gen<string> Any => Gen.OneOf(Gen.Elements(s_pieces), Gen.Choose(0, char.MaxValue).Select(c => ((char)c).ToString()), Gen.Elements("\uD83D", "\uDE00", "\uD800")).ArrayOf().Select(string.Concat);

    public static Arbitrary<string> WellFormedArbitrary => Arb.From(WellFormed);

    public static Arbitrary<string> AnyArbitrary => Arb.From(Any);
}
