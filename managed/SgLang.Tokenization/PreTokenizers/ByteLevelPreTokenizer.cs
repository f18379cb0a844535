using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Patterns;

namespace SgLang.Tokenization.PreTokenizers;

/// <summary>
/// The reference's ByteLevel: optional leading space, optional GPT-2 split, and bytes written as printable characters.
/// As the last stage the mapping is left to the model, which does it once per distinct word (<see cref="MapsBytes"/> false).
/// </summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private readonly SplitPreTokenizer? _split = useRegex
        ? new SplitPreTokenizer(new Gpt2Splitter(), SplitBehavior.Isolated, invert: false)
        : null;

    public bool MapsBytes { get; init; } = true;

    public override void Split(Piece piece, List<Piece> output)
    {
        if (addPrefixSpace && piece.Span[0] != ' ')
        {
            string text = string.Concat(" ", piece.Span);
            piece = new Piece(text, 0, text.Length, piece.AtStart);
        }

        int first = output.Count;
        if (_split is null)
        {
            output.Add(piece);
        }
        else
        {
            _split.Split(piece, output);
        }

        for (int i = first; MapsBytes && i < output.Count; i++)
        {
            string mapped = ByteAlphabet.Map(output[i].Span);
            output[i] = new Piece(mapped, 0, mapped.Length, output[i].AtStart);
        }
    }
}
