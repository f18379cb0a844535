using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Patterns;

/// <summary>
/// Base of the hand-written splitters. Their patterns match at every position, so a match always begins where the last one ended. Each method
/// takes one alternative of the pattern and returns where it ends, or -1.
/// </summary>
internal abstract class KnownSplitter : Delimiter
{
    public sealed override bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        (start, end) = from < text.Length ? (from, MatchEnd(text, from)) : (-1, -1);
        return from < text.Length;
    }

    protected abstract int MatchEnd(ReadOnlySpan<char> text, int from);

    /// <summary>'s 't 're 've 'm 'll 'd</summary>
    protected static int Contraction(ReadOnlySpan<char> text, int from, bool ignoreCase)
    {
        if (from + 1 >= text.Length || text[from] != '\'')
        {
            return -1;
        }

        char first = Fold(text[from + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return from + 2;
        }

        char second = from + 2 < text.Length ? Fold(text[from + 2], ignoreCase) : '\0';
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? from + 3 : -1;
    }

    /// <summary>The end of the run of members of <paramref name="wanted"/>.</summary>
    protected static int Run(ReadOnlySpan<char> text, int from, CharClass wanted, int max = int.MaxValue)
    {
        while (max-- > 0 && (CharClasses.At(text, from, out int width) & wanted) != 0)
        {
            from += width;
        }

        return from;
    }

    /// <summary>[^\s\p{L}\p{N}]*</summary>
    protected static int RunOfOthers(ReadOnlySpan<char> text, int from)
    {
        while ((CharClasses.At(text, from, out int width) & CharClass.NotOther) == 0 && width > 0)
        {
            from += width;
        }

        return from;
    }

    /// <summary>\s+(?!\S)|\s+ : whitespace but its last character, which belongs to what follows.</summary>
    protected static int Spaces(ReadOnlySpan<char> text, int from)
    {
        int end = Run(text, from, CharClass.Space);
        return end < text.Length && end - from > 1 ? end - 1 : end;
    }

    /// <summary>As above, but \s*[\r\n]+ comes first: up to the last line break of the whitespace.</summary>
    protected static int LinesOrSpaces(ReadOnlySpan<char> text, int from)
    {
        int end = Run(text, from, CharClass.Space);
        int lastBreak = text[from..end].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? from + lastBreak + 1 : Spaces(text, from);
    }

    // U+017F LATIN SMALL LETTER LONG S folds to s; nothing else folds to these letters.
    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}

internal sealed class Gpt2Splitter : KnownSplitter
{
    protected override int MatchEnd(ReadOnlySpan<char> text, int from)
    {
        int contraction = Contraction(text, from, ignoreCase: false);
        if (contraction >= 0)
        {
            return contraction;
        }

        int first = text[from] == ' ' ? from + 1 : from;
        CharClass kind = CharClasses.At(text, first, out int width);
        return (kind & CharClass.Letter) != 0 ? Run(text, first, CharClass.Letter)
            : (kind & CharClass.Number) != 0 ? Run(text, first, CharClass.Number)
            : (kind & CharClass.Space) == 0 && width > 0 ? RunOfOthers(text, first)
            : Spaces(text, from);
    }
}

internal sealed class Cl100kSplitter(int maxDigits) : KnownSplitter
{
    protected override int MatchEnd(ReadOnlySpan<char> text, int from)
    {
        int contraction = Contraction(text, from, ignoreCase: true);
        if (contraction >= 0)
        {
            return contraction;
        }

        CharClass kind = CharClasses.At(text, from, out int width);
        if ((kind & CharClass.Letter) != 0)
        {
            return Run(text, from, CharClass.Letter);
        }

        if ((kind & CharClass.Number) != 0)
        {
            return Run(text, from, CharClass.Number, maxDigits);
        }

        if (text[from] is not ('\r' or '\n') && (CharClasses.At(text, from + width, out _) & CharClass.Letter) != 0)
        {
            return Run(text, from + width, CharClass.Letter);
        }

        int others = RunOfOthers(text, text[from] == ' ' ? from + 1 : from);
        if (others > (text[from] == ' ' ? from + 1 : from))
        {
            while (others < text.Length && text[others] is '\r' or '\n')
            {
                others++;
            }

            return others;
        }

        return LinesOrSpaces(text, from);
    }
}

/// <summary>The pattern of GPT-4o and gpt-oss: words are cut where a lower-case letter is followed by an upper-case one.</summary>
internal sealed class O200kSplitter : KnownSplitter
{
    protected override int MatchEnd(ReadOnlySpan<char> text, int from)
    {
        CharClass kind = CharClasses.At(text, from, out int width);
        int word = Word(text, from, kind, width);
        if (word >= 0)
        {
            int contraction = Contraction(text, word, ignoreCase: true);
            return contraction >= 0 ? contraction : word;
        }

        if ((kind & CharClass.Number) != 0)
        {
            return Run(text, from, CharClass.Number, max: 3);
        }

        int first = text[from] == ' ' ? from + 1 : from;
        int others = RunOfOthers(text, first);
        if (others > first)
        {
            while (others < text.Length && text[others] is '\r' or '\n' or '/')
            {
                others++;
            }

            return others;
        }

        return LinesOrSpaces(text, from);
    }

    /// <summary>Each alternative is first tried with one character before the word, then without.</summary>
    private static int Word(ReadOnlySpan<char> text, int from, CharClass kind, int width)
    {
        bool mayPrefix = (kind & (CharClass.Letter | CharClass.Number)) == 0 && text[from] is not ('\r' or '\n');
        int end = mayPrefix ? LowerWord(text, from + width) : -1;
        end = end >= 0 ? end : LowerWord(text, from);
        end = end >= 0 || !mayPrefix ? end : UpperWord(text, from + width);
        return end >= 0 ? end : UpperWord(text, from);
    }

    /// <summary>Head* Tail+: where no tail follows the heads, the last head that is also a tail ends the word.</summary>
    private static int LowerWord(ReadOnlySpan<char> text, int from)
    {
        int heads = from;
        int lastTail = -1;
        CharClass kind;
        int width;
        while (((kind = CharClasses.At(text, heads, out width)) & CharClass.WordHead) != 0)
        {
            heads += width;
            lastTail = (kind & CharClass.WordTail) != 0 ? heads : lastTail;
        }

        int tails = Run(text, heads, CharClass.WordTail);
        return tails > heads ? tails : lastTail;
    }

    /// <summary>Head+ Tail*</summary>
    private static int UpperWord(ReadOnlySpan<char> text, int from)
    {
        int heads = Run(text, from, CharClass.WordHead);
        return heads > from ? Run(text, heads, CharClass.WordTail) : -1;
    }
}
