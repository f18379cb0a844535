using SgLang.Server.Parsing;
using SgLang.Tokenization;

namespace SgLang.Server.Serving;

/// <summary>
/// Counts the tokens of one answer that are reasoning, its tags included. It splits the text a second time, token by token, because a chunk may
/// hold the end of the reasoning and the beginning of the answer; nothing is left to do once the reasoning is over.
/// </summary>
internal sealed class ReasoningCounter(ReasoningSplitter splitter, StreamDetokenizer text)
{
    /// <summary>Tokens that are enough to hold a tag and blanks after it.</summary>
    private const int EndTokens = 16;

    private readonly List<ParsedPart> _parts = [];
    private int _seen;

    /// <summary>Of what continues a prompt; null where nothing of it is reasoning.</summary>
    /// <param name="parser">Null on a server without one.</param>
    public static ReasoningCounter? ForPrompt(string? parser, int[] prompt, Tokenizer? tokenizer, bool skipSpecialTokens)
    {
        if (parser is null || tokenizer is null) return null;
        string end = tokenizer.Decode(prompt[^Math.Min(EndTokens, prompt.Length)..], skipSpecialTokens: false);
        return ReasoningSplitter.IsOpenAfter(parser, end) is { } isOpen ? new ReasoningCounter(new ReasoningSplitter(isOpen), tokenizer.CreateStream(skipSpecialTokens)) : null;
    }

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
