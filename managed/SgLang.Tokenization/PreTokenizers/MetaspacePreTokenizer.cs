namespace SgLang.Tokenization.PreTokenizers;

internal enum PrependScheme { Always, First, Never }

/// <summary>SentencePiece's way with spaces: each becomes <paramref name="replacement"/> and, when split, begins a word.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    private readonly SplitPreTokenizer _split = new(new StringDelimiter(replacement.ToString()), SplitBehavior.MergedWithNext, invert: false);

    public override void Split(Piece piece, List<Piece> output)
    {
        string text = piece.Span.ToString().Replace(' ', replacement);
        bool prepends = scheme == PrependScheme.Always || scheme == PrependScheme.First && piece.AtStart;
        if (prepends && text[0] != replacement)
        {
            text = replacement + text;
        }

        var whole = new Piece(text, 0, text.Length, piece.AtStart);
        if (split)
        {
            _split.Split(whole, output);
        }
        else
        {
            output.Add(whole);
        }
    }
}
