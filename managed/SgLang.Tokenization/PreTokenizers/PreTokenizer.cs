using SgLang.Tokenization.Patterns;

namespace SgLang.Tokenization.PreTokenizers;

/// <summary>Cuts a piece of normalized text into smaller ones, perhaps rewriting them. Thread safe.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Adds the parts of <paramref name="piece"/> to <paramref name="output"/>; never an empty one.</summary>
    public abstract void Split(Piece piece, List<Piece> output);
}

/// <summary>What becomes of the stretches a split pattern matches.</summary>
internal enum SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous }

/// <summary>Finds delimiters; text in between is the rest.</summary>
internal abstract class Delimiter
{
    /// <summary>The first non-empty match at or after <paramref name="from"/>.</summary>
    public abstract bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end);
}

internal sealed class RegexDelimiter(CodePointRegex regex) : Delimiter
{
    public override bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        while (regex.TryFind(text, from, out start, out end))
        {
            if (end > start)
            {
                return true;
            }

            if (start >= text.Length)
            {
                break;
            }

            from = start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
        }

        return false;
    }
}

internal sealed class StringDelimiter(string delimiter) : Delimiter
{
    public override bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        int index = delimiter.Length == 0 ? -1 : text[from..].IndexOf(delimiter);
        (start, end) = index < 0 ? (-1, -1) : (from + index, from + index + delimiter.Length);
        return index >= 0;
    }
}

/// <summary>Every single code point that satisfies a predicate.</summary>
internal sealed class PredicateDelimiter(Func<int, bool> predicate) : Delimiter
{
    public override bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        for (start = from; start < text.Length;)
        {
            int codePoint = CodePoint.At(text, start, out int width);
            if (predicate(codePoint))
            {
                end = start + width;
                return true;
            }

            start += width;
        }

        (start, end) = (-1, -1);
        return false;
    }
}
