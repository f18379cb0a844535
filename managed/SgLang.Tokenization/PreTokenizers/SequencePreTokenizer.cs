namespace SgLang.Tokenization.PreTokenizers;

/// <summary>Each stage cuts the parts of the one before.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<PreTokenizer> stages) : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> output)
    {
        if (stages.Count == 0)
        {
            output.Add(piece);
            return;
        }

        var current = new List<Piece> { piece };
        for (int i = 0; i < stages.Count; i++)
        {
            List<Piece> next = i == stages.Count - 1 ? output : [];
            foreach (Piece part in current)
            {
                stages[i].Split(part, next);
            }

            current = next;
        }
    }
}
