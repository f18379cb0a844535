namespace SgLang.Tokenization.PreTokenizers;

/// <summary>A stretch of text on its way to the model. <paramref name="AtStart"/>: it begins where the whole input begins.</summary>
internal readonly record struct Piece(string Text, int Start, int Length, bool AtStart)
{
    public ReadOnlySpan<char> Span => Text.AsSpan(Start, Length);

    public Piece Slice(int start, int length) => new(Text, Start + start, length, AtStart && start == 0);
}
