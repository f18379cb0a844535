using System.Text;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Patterns;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Normalizers;

/// <summary>Rewrites text before it is cut into words. Thread safe.</summary>
internal abstract class Normalizer
{
    public abstract string Normalize(string text);
}

internal sealed class SequenceNormalizer(IReadOnlyList<Normalizer> stages) : Normalizer
{
    public override string Normalize(string text)
    {
        foreach (Normalizer stage in stages)
        {
            text = stage.Normalize(text);
        }

        return text;
    }
}

/// <summary>Puts a string before every text that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override string Normalize(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary>Replaces every match with a fixed string.</summary>
internal sealed class ReplaceNormalizer(Delimiter pattern, string content) : Normalizer
{
    public override string Normalize(string text)
    {
        if (!pattern.TryFind(text, 0, out int start, out int end))
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        int position = 0;
        do
        {
            result.Append(text, position, start - position).Append(content);
            position = end;
        }
        while (position < text.Length && pattern.TryFind(text, position, out start, out end));

        return result.Append(text, position, text.Length - position).ToString();
    }
}

internal sealed class LowercaseNormalizer : Normalizer
{
    // U+0130 is the only character whose lower case is two code points; the invariant mapping leaves it alone.
    public override string Normalize(string text) => text.ToLowerInvariant().Replace("\u0130", "i\u0307", StringComparison.Ordinal);
}

internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override string Normalize(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    };
}

/// <summary>Removes blanks at both ends and makes one of every row of them: SentencePiece's remove_extra_whitespaces.</summary>
internal sealed class ExtraSpaceNormalizer : Normalizer
{
    public override string Normalize(string text) => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

/// <summary>Removes non-spacing marks. It does not decompose; files put NFD or NFKD before it.</summary>
internal sealed class StripAccentsNormalizer : Normalizer
{
    public override string Normalize(string text)
    {
        var kept = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) != System.Globalization.UnicodeCategory.NonSpacingMark)
            {
                kept.Append(rune.ToString());
            }
        }

        return kept.Length == text.Length ? text : kept.ToString();
    }
}

internal sealed class UnicodeNormalizer(UnicodeForm form) : Normalizer
{
    public override string Normalize(string text) => UnicodeNormalization.Normalize(text, form);
}

/// <summary>Bytes as printable characters, without cutting.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    public override string Normalize(string text) => ByteAlphabet.Map(text);
}

/// <summary>BERT's cleaning: control characters go, whitespace becomes spaces, CJK ideographs stand alone, then accents and case.</summary>
internal sealed class BertNormalizer(bool cleanText, bool handleChinese, bool stripAccents, bool lowercase) : Normalizer
{
    public override string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (cleanText && (rune.Value is 0 or 0xFFFD || IsControl(rune)))
            {
                continue;
            }

            if (handleChinese && IsChinese(rune.Value))
            {
                result.Append(' ').Append(rune.ToString()).Append(' ');
            }
            else
            {
                result.Append(cleanText && CodePoint.IsWhiteSpace(rune.Value) ? " " : rune.ToString());
            }
        }

        string cleaned = result.ToString();
        if (stripAccents)
        {
            cleaned = new StripAccentsNormalizer().Normalize(UnicodeNormalization.Normalize(cleaned, UnicodeForm.Nfd));
        }

        return lowercase ? new LowercaseNormalizer().Normalize(cleaned) : cleaned;
    }

    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r') && Rune.GetUnicodeCategory(rune)
        is System.Globalization.UnicodeCategory.Control or System.Globalization.UnicodeCategory.Format
        or System.Globalization.UnicodeCategory.PrivateUse or System.Globalization.UnicodeCategory.OtherNotAssigned;

    private static bool IsChinese(int c) => c is >= 0x4E00 and <= 0x9FFF or >= 0x3400 and <= 0x4DBF or >= 0x20000 and <= 0x2A6DF or >= 0x2A700 and <= 0x2B73F
        or >= 0x2B740 and <= 0x2B81F or >= 0x2B920 and <= 0x2CEAF or >= 0xF900 and <= 0xFAFF or >= 0x2F800 and <= 0x2FA1F;
}
