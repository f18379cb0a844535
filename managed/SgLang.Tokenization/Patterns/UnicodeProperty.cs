using System.Globalization;

namespace SgLang.Tokenization.Patterns;

/// <summary>The names that may stand in \p{...} and [:...:].</summary>
internal static class UnicodeProperty
{
    /// <summary>Null for an unknown name. The result is fresh and may be changed.</summary>
    public static CharSet? Find(string name)
    {
        string key = name.Replace("_", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant();
        UnicodeCategory[]? categories = Categories(key);
        if (categories is not null)
        {
            var set = new CharSet();
            foreach (UnicodeCategory category in categories)
            {
                set.AddCategory(category);
            }

            return set;
        }

        switch (key)
        {
            case "any":
                return new CharSet().AddRange(0, 0x10FFFF);
            case "ascii":
                return new CharSet().AddRange(0, 0x7F);
            case "space" or "whitespace":
                return new CharSet().AddSpace();
            case "word" or "w":
                return new CharSet().AddWord();
            case "digit":
                return new CharSet().AddCategory(UnicodeCategory.DecimalDigitNumber);
            case "xdigit":
                return new CharSet().AddRange('0', '9').AddRange('a', 'f').AddRange('A', 'F');
            case "alpha" or "alphabetic":
                return Find("L")!.AddCategory(UnicodeCategory.LetterNumber).AddCategory(UnicodeCategory.NonSpacingMark).AddCategory(UnicodeCategory.SpacingCombiningMark);
            case "alnum":
                return Find("alpha")!.AddCategory(UnicodeCategory.DecimalDigitNumber);
            case "lower":
                return Find("Ll");
            case "upper":
                return Find("Lu");
            case "punct" or "punctuation":
                // Oniguruma counts the ASCII symbols as punctuation in the bracket class.
                CharSet punctuation = Find("P")!;
                foreach (char c in "$+<=>^`|~")
                {
                    punctuation.AddRange(c, c);
                }

                return punctuation;
            case "blank":
                return new CharSet().AddRange('\t', '\t').AddCategory(UnicodeCategory.SpaceSeparator);
            case "cntrl":
                return Find("Cc");
            case "han" or "script=han" or "sc=han":
                return Ranges(0x2E80, 0x2E99, 0x2E9B, 0x2EF3, 0x2F00, 0x2FD5, 0x3005, 0x3005, 0x3007, 0x3007, 0x3021, 0x3029, 0x3038, 0x303B, 0x3400, 0x4DBF,
                    0x4E00, 0x9FFF, 0xF900, 0xFA6D, 0xFA70, 0xFAD9, 0x16FE2, 0x16FE3, 0x16FF0, 0x16FF1, 0x20000, 0x2A6DF, 0x2A700, 0x2B739, 0x2B740, 0x2B81D,
                    0x2B820, 0x2CEA1, 0x2CEB0, 0x2EBE0, 0x2EBF0, 0x2EE5D, 0x2F800, 0x2FA1D, 0x30000, 0x3134A, 0x31350, 0x323AF);
            case "hiragana" or "script=hiragana" or "sc=hiragana":
                return Ranges(0x3041, 0x3096, 0x309D, 0x309F, 0x1B001, 0x1B11F, 0x1B132, 0x1B132, 0x1B150, 0x1B152, 0x1F200, 0x1F200);
            case "katakana" or "script=katakana" or "sc=katakana":
                return Ranges(0x30A1, 0x30FA, 0x30FD, 0x30FF, 0x31F0, 0x31FF, 0x32D0, 0x32FE, 0x3300, 0x3357, 0xFF66, 0xFF6F, 0xFF71, 0xFF9D, 0x1AFF0, 0x1AFF3,
                    0x1AFF5, 0x1AFFB, 0x1AFFD, 0x1AFFE, 0x1B000, 0x1B000, 0x1B120, 0x1B122, 0x1B155, 0x1B155, 0x1B164, 0x1B167);
            case "hangul" or "script=hangul" or "sc=hangul":
                return Ranges(0x1100, 0x11FF, 0x302E, 0x302F, 0x3131, 0x318E, 0x3200, 0x321E, 0x3260, 0x327E, 0xA960, 0xA97C, 0xAC00, 0xD7A3, 0xD7B0, 0xD7C6,
                    0xD7CB, 0xD7FB, 0xFFA0, 0xFFBE, 0xFFC2, 0xFFC7, 0xFFCA, 0xFFCF, 0xFFD2, 0xFFD7, 0xFFDA, 0xFFDC);
            default:
                return null;
        }
    }

    private static CharSet Ranges(params ReadOnlySpan<int> bounds)
    {
        var set = new CharSet();
        for (int i = 0; i < bounds.Length; i += 2)
        {
            set.AddRange(bounds[i], bounds[i + 1]);
        }

        return set;
    }

    private static UnicodeCategory[]? Categories(string key) => key switch
    {
        "l" or "letter" => [UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter, UnicodeCategory.ModifierLetter, UnicodeCategory.OtherLetter],
        "lc" or "l&" => [UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter],
        "lu" or "uppercaseletter" => [UnicodeCategory.UppercaseLetter],
        "ll" or "lowercaseletter" => [UnicodeCategory.LowercaseLetter],
        "lt" or "titlecaseletter" => [UnicodeCategory.TitlecaseLetter],
        "lm" or "modifierletter" => [UnicodeCategory.ModifierLetter],
        "lo" or "otherletter" => [UnicodeCategory.OtherLetter],
        "m" or "mark" => [UnicodeCategory.NonSpacingMark, UnicodeCategory.SpacingCombiningMark, UnicodeCategory.EnclosingMark],
        "mn" or "nonspacingmark" => [UnicodeCategory.NonSpacingMark],
        "mc" or "spacingmark" => [UnicodeCategory.SpacingCombiningMark],
        "me" or "enclosingmark" => [UnicodeCategory.EnclosingMark],
        "n" or "number" => [UnicodeCategory.DecimalDigitNumber, UnicodeCategory.LetterNumber, UnicodeCategory.OtherNumber],
        "nd" or "decimalnumber" => [UnicodeCategory.DecimalDigitNumber],
        "nl" or "letternumber" => [UnicodeCategory.LetterNumber],
        "no" or "othernumber" => [UnicodeCategory.OtherNumber],
        "p" => [UnicodeCategory.ConnectorPunctuation, UnicodeCategory.DashPunctuation, UnicodeCategory.OpenPunctuation, UnicodeCategory.ClosePunctuation,
            UnicodeCategory.InitialQuotePunctuation, UnicodeCategory.FinalQuotePunctuation, UnicodeCategory.OtherPunctuation],
        "pc" or "connectorpunctuation" => [UnicodeCategory.ConnectorPunctuation],
        "pd" or "dashpunctuation" => [UnicodeCategory.DashPunctuation],
        "ps" or "openpunctuation" => [UnicodeCategory.OpenPunctuation],
        "pe" or "closepunctuation" => [UnicodeCategory.ClosePunctuation],
        "pi" or "initialpunctuation" => [UnicodeCategory.InitialQuotePunctuation],
        "pf" or "finalpunctuation" => [UnicodeCategory.FinalQuotePunctuation],
        "po" or "otherpunctuation" => [UnicodeCategory.OtherPunctuation],
        "s" or "symbol" => [UnicodeCategory.MathSymbol, UnicodeCategory.CurrencySymbol, UnicodeCategory.ModifierSymbol, UnicodeCategory.OtherSymbol],
        "sm" or "mathsymbol" => [UnicodeCategory.MathSymbol],
        "sc" or "currencysymbol" => [UnicodeCategory.CurrencySymbol],
        "sk" or "modifiersymbol" => [UnicodeCategory.ModifierSymbol],
        "so" or "othersymbol" => [UnicodeCategory.OtherSymbol],
        "z" or "separator" => [UnicodeCategory.SpaceSeparator, UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator],
        "zs" or "spaceseparator" => [UnicodeCategory.SpaceSeparator],
        "zl" or "lineseparator" => [UnicodeCategory.LineSeparator],
        "zp" or "paragraphseparator" => [UnicodeCategory.ParagraphSeparator],
        "c" or "other" => [UnicodeCategory.Control, UnicodeCategory.Format, UnicodeCategory.Surrogate, UnicodeCategory.PrivateUse, UnicodeCategory.OtherNotAssigned],
        "cc" or "control" => [UnicodeCategory.Control],
        "cf" or "format" => [UnicodeCategory.Format],
        "co" or "privateuse" => [UnicodeCategory.PrivateUse],
        "cn" or "unassigned" => [UnicodeCategory.OtherNotAssigned],
        _ => null,
    };
}
