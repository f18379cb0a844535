namespace SgLang.Tokenization.PreTokenizers;

/// <summary>The reference's Split: cuts at the matches of a delimiter, or with <paramref name="invert"/> at what lies between them.</summary>
internal sealed class SplitPreTokenizer(Delimiter delimiter, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> output)
    {
        var writer = new Writer(piece, behavior, output);
        ReadOnlySpan<char> text = piece.Span;
        int position = 0;
        while (position < text.Length && delimiter.TryFind(text, position, out int start, out int end))
        {
            writer.Add(position, start, isDelimiter: invert);
            writer.Add(start, end, isDelimiter: !invert);
            position = end;
        }

        writer.Add(position, text.Length, isDelimiter: invert);
        writer.Finish();
    }

    /// <summary>Joins or drops neighbours as the behaviour says, one pending stretch at a time.</summary>
    private struct Writer(Piece piece, SplitBehavior behavior, List<Piece> output)
    {
        private int _start = -1;
        private int _end;
        private bool _isDelimiter;

        public void Add(int start, int end, bool isDelimiter)
        {
            if (start == end || behavior == SplitBehavior.Removed && isDelimiter)
            {
                return;
            }

            bool joins = _start >= 0 && behavior switch
            {
                SplitBehavior.Contiguous => _isDelimiter == isDelimiter,
                SplitBehavior.MergedWithPrevious => isDelimiter && !_isDelimiter,
                SplitBehavior.MergedWithNext => !isDelimiter && _isDelimiter,
                _ => false,
            };
            if (!joins)
            {
                Finish();
                _start = start;
            }

            (_end, _isDelimiter) = (end, isDelimiter);
        }

        public void Finish()
        {
            if (_start >= 0)
            {
                output.Add(piece.Slice(_start, _end - _start));
            }

            _start = -1;
        }
    }
}
