using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace SgLang.Tokenization.Patterns;

/// <summary>Code points of UTF-16 text, and the Unicode classes that tokenizer files speak of. Texts are well formed: see <see cref="Scrub"/>.</summary>
internal static class CodePoint
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int At(ReadOnlySpan<char> text, int index, out int width)
    {
        char c = text[index];
        if (!char.IsSurrogate(c))
        {
            width = 1;
            return c;
        }

        width = 2;
        return char.ConvertToUtf32(c, text[index + 1]);
    }

    /// <summary>The code point that ends before <paramref name="index"/>.</summary>
    public static int Before(ReadOnlySpan<char> text, int index, out int width)
    {
        char c = text[index - 1];
        if (!char.IsSurrogate(c))
        {
            width = 1;
            return c;
        }

        width = 2;
        return char.ConvertToUtf32(text[index - 2], c);
    }

    /// <summary>Unicode White_Space, which is what \s means in the reference's regex engine.</summary>
    public static bool IsWhiteSpace(int codePoint) => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint);

    /// <summary>\w of the reference: Alphabetic, marks, decimal digits and connector punctuation.</summary>
    public static bool IsWord(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation => true,
        // Circled and squared Latin letters are symbols by category but alphabetic by property.
        _ => codePoint is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
    };

    public static bool IsNumeric(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint)
        is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    public static bool IsPunctuation(int codePoint) =>
        codePoint < 128
            ? char.IsAsciiLetterOrDigit((char)codePoint) is false && codePoint is > 32 and < 127
            : CharUnicodeInfo.GetUnicodeCategory(codePoint) is UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation
                or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
                or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation;

    /// <summary>The text with every lone surrogate replaced by U+FFFD, as its UTF-8 form would have it.</summary>
    public static string Scrub(string text)
    {
        ReadOnlySpan<char> rest = text;
        int index = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
        if (index < 0)
        {
            return text;
        }

        StringBuilder? scrubbed = null;
        while (index < text.Length)
        {
            char c = text[index];
            bool isPair = char.IsHighSurrogate(c) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]);
            if (char.IsSurrogate(c) && !isPair)
            {
                scrubbed ??= new StringBuilder(text);
                scrubbed[index] = '\uFFFD';
            }

            index += isPair ? 2 : 1;
        }

        return scrubbed?.ToString() ?? text;
    }
}
