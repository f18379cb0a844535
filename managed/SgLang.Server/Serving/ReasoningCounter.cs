using SgLang.Server.Parsing;
using SgLang.Tokenization;

namespace SgLang.Server.Serving;

/// <summary>
/// Counts the tokens of one answer that are reasoning, its tags included. It splits the text a second time, token by token, because a chunk may
/// hold the end of the reasoning and the beginning of the answer; nothing is left to do once the reasoning is over.
/// </summary>
internal sealed class ReasoningCounter(ReasoningSplitter splitter, StreamDetokenizer text)
{
    private readonly List<ParsedPart> _parts = [];
    private int _seen;

    /// <summary>0 for an answer that does not reason.</summary>
    public int Tokens => splitter.HasReasoned ? _seen : 0;

    public void Add(IReadOnlyList<int> ids)
    {
        for (int i = 0; i < ids.Count && !splitter.IsOver; i++)
        {
            splitter.Append(text.Append(ids[i]), _parts);
            _parts.Clear();
            _seen++;
        }
    }
}
