using System.Globalization;

namespace SgLang.Tokenization.Patterns;

/// <summary>What the known patterns ask of a code point, from one table look-up.</summary>
[Flags]
internal enum CharClass : byte
{
    None = 0,
    Letter = 1,
    Number = 2,
    Space = 4,

    /// <summary>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</summary>
    WordHead = 8,

    /// <summary>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</summary>
    WordTail = 16,

    NotOther = Letter | Number | Space,
}

internal static class CharClasses
{
    private static readonly CharClass[] s_basicPlane = Build();

    /// <summary>The class of the code point at <paramref name="index"/>, which takes <paramref name="width"/> units; None and 0 at the end.</summary>
    public static CharClass At(ReadOnlySpan<char> text, int index, out int width)
    {
        if (index >= text.Length)
        {
            width = 0;
            return CharClass.None;
        }

        char c = text[index];
        if (!char.IsSurrogate(c))
        {
            width = 1;
            return s_basicPlane[c];
        }

        return Of(CodePoint.At(text, index, out width));
    }

    private static CharClass Of(int codePoint)
    {
        CharClass space = CodePoint.IsWhiteSpace(codePoint) ? CharClass.Space : CharClass.None;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharClass.Letter | CharClass.WordHead,
            UnicodeCategory.LowercaseLetter => CharClass.Letter | CharClass.WordTail,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharClass.Letter | CharClass.WordHead | CharClass.WordTail,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => CharClass.WordHead | CharClass.WordTail,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharClass.Number,
            _ => space,
        };
    }

    private static CharClass[] Build()
    {
        var table = new CharClass[char.MaxValue + 1];
        for (int c = 0; c < table.Length; c++)
        {
            table[c] = Of(c);
        }

        return table;
    }
}
