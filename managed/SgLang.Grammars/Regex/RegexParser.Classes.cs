using System.Globalization;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Regex;

internal sealed partial class RegexParser
{
    private static readonly CharSet s_digits = CharSet.Of(('0', '9'));
    private static readonly CharSet s_word = CharSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));
    private static readonly CharSet s_space = CharSet.Of(('\t', '\r'), (' ', ' '));

    /// <summary>
    /// Dialects disagree whether \d, \w and \s reach beyond ASCII. Here each stands for its ASCII members, and its negation for what is in no
    /// dialect's class, so that an output matches under either reading.
    /// </summary>
    private static readonly Lazy<(CharSet Digits, CharSet Word, CharSet Space)> s_unicode = new(() => (
        CharSet.Union(s_digits, Categories(UnicodeCategory.DecimalDigitNumber)),
        CharSet.Union(s_word, Categories(
            UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter, UnicodeCategory.ModifierLetter,
            UnicodeCategory.OtherLetter, UnicodeCategory.NonSpacingMark, UnicodeCategory.SpacingCombiningMark, UnicodeCategory.DecimalDigitNumber,
            UnicodeCategory.LetterNumber, UnicodeCategory.OtherNumber, UnicodeCategory.ConnectorPunctuation), CharSet.Of((0x200C, 0x200D))),
        CharSet.Union(s_space, CharSet.Of((0x1C, 0x1F), (0x85, 0x85), (0xFEFF, 0xFEFF)), Categories(
            UnicodeCategory.SpaceSeparator, UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator))));

    /// <summary>After the backslash, outside a class.</summary>
    private CharSet Escape()
    {
        int start = _position - 1;
        if (IsAtEnd) throw Wrong("the backslash escapes nothing", start);
        if (Peek is 'b' or 'B' or 'A' or 'Z' or 'z' or 'G') throw Wrong($"\\{Peek} is not supported", start);
        if (Peek is >= '1' and <= '9' or 'k') throw Wrong("references to groups are not supported", start);
        return ShorthandClass(negated: false) ?? CharSet.Single(EscapedCharacter(start));
    }

    /// <summary>After the opening bracket.</summary>
    private CharSet Class()
    {
        int start = _position - 1;
        bool negated = Take('^');
        var sets = new List<CharSet>();
        bool isFirst = true;
        while (true)
        {
            if (IsAtEnd) throw Wrong("the class has no end", start);
            if (!isFirst && Take(']')) break;
            isFirst = false;
            int itemStart = _position;
            if (Take('\\'))
            {
                if (IsAtEnd) throw Wrong("the class has no end", start);
                if (ShorthandClass(negated) is { } shorthand)
                {
                    sets.Add(shorthand);
                    continue;
                }
                _position = itemStart;
            }
            int first = ClassCharacter();
            bool isRange = _position + 1 < _text.Length && Peek == '-' && _text[_position + 1] != ']';
            if (!isRange)
            {
                sets.Add(CharSet.Single(first));
                continue;
            }
            _position++;
            int last = ClassCharacter();
            if (last < first) throw Wrong($"the range {_text[itemStart.._position]} is in the wrong order", itemStart);
            sets.Add(CharSet.Of((first, last)));
        }
        CharSet all = CharSet.Union([.. sets]);
        CharSet result = negated ? all.Complement() : all;
        return result.IsEmpty ? throw Wrong("the class matches no character", start) : result;
    }

    private int ClassCharacter()
    {
        int start = _position;
        if (!Take('\\')) return Character();
        if (IsAtEnd) throw Wrong("the class has no end", start);
        if (Take('b')) return '\b';
        return EscapedCharacter(start);
    }

    /// <summary>\d \w \s \p{..} and their negations; null for other escapes. In a negated class the wide reading is the safe one.</summary>
    private CharSet? ShorthandClass(bool negated)
    {
        char c = Peek;
        CharSet? set = c switch
        {
            'd' => negated ? s_unicode.Value.Digits : s_digits,
            'w' => negated ? s_unicode.Value.Word : s_word,
            's' => negated ? s_unicode.Value.Space : s_space,
            'D' => (negated ? s_digits : s_unicode.Value.Digits).Complement(),
            'W' => (negated ? s_word : s_unicode.Value.Word).Complement(),
            'S' => (negated ? s_space : s_unicode.Value.Space).Complement(),
            _ => null,
        };
        if (set is not null)
        {
            _position++;
            return set;
        }
        return c is 'p' or 'P' ? Property(c == 'P') : null;
    }

    private CharSet Property(bool negated)
    {
        int start = _position - 1;
        _position++;
        int end = IsAtEnd || Peek != '{' ? -1 : _text.IndexOf('}', _position);
        if (end < 0) throw Wrong("\\p needs a category in braces, such as \\p{L}", start);
        string name = _text[(_position + 1)..end];
        _position = end + 1;
        CharSet set = name.Length is 1 or 2 ? CategorySet(name) : CharSet.Of();
        if (set.IsEmpty) throw Wrong($"\\p{{{name}}} is not supported; general categories such as L, Lu, N, P are", start);
        return negated ? set.Complement() : set;
    }

    private static CharSet CategorySet(string name) =>
        Categories([.. Enum.GetValues<UnicodeCategory>().Where(category => ShortName(category).StartsWith(name, StringComparison.Ordinal))]);

    private int EscapedCharacter(int start)
    {
        char c = Peek;
        switch (c)
        {
            case 'n': _position++; return '\n';
            case 't': _position++; return '\t';
            case 'r': _position++; return '\r';
            case 'f': _position++; return '\f';
            case 'v': _position++; return '\v';
            case 'a': _position++; return '\a';
            case '0': _position++; return 0;
            case 'x': _position++; return Hex(2, start);
            case 'u':
                _position++;
                if (Take('{'))
                {
                    int end = _text.IndexOf('}', _position);
                    if (end < 0) throw Wrong("\\u{ has no end", start);
                    int value = Hex(end - _position, start);
                    _position++;
                    return Scalar(value, start);
                }
                return SurrogatesOrScalar(start);
            default:
                if (char.IsAsciiLetterOrDigit(c)) throw Wrong($"\\{c} is no escape that is supported", start);
                return Character();
        }
    }

    private int SurrogatesOrScalar(int start)
    {
        int value = Hex(4, start);
        if (char.IsHighSurrogate((char)value) && TakeText("\\u")) return char.ConvertToUtf32((char)value, LowSurrogate(start));
        return Scalar(value, start);
    }

    private char LowSurrogate(int start)
    {
        char low = (char)Hex(4, start);
        return char.IsLowSurrogate(low) ? low : throw Wrong("half of a surrogate pair is no character", start);
    }

    private int Scalar(int value, int start) =>
        System.Text.Rune.IsValid(value) ? value : throw Wrong("half of a surrogate pair, or a number beyond U+10FFFF, is no character", start);

    private int Hex(int digits, int start)
    {
        if (digits is < 1 or > 6 || _position + digits > _text.Length
            || !int.TryParse(_text.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
            throw Wrong("the escape needs hexadecimal digits", start);
        _position += digits;
        return value;
    }

    private static CharSet Categories(params ReadOnlySpan<UnicodeCategory> categories)
    {
        var ranges = new List<(int, int)>();
        for (int c = 0; c <= CharSet.MaxChar; c++)
        {
            if (!categories.Contains(CharUnicodeInfo.GetUnicodeCategory(c))) continue;
            if (ranges.Count > 0 && ranges[^1].Item2 == c - 1) ranges[^1] = (ranges[^1].Item1, c);
            else ranges.Add((c, c));
        }
        return CharSet.Of([.. ranges]);
    }

    private static string ShortName(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        _ => "Cn",
    };
}
