namespace SgLang.Server.Parsing;

/// <summary>
/// Finds tool calls in an answer that comes in pieces; pieces may end anywhere, and the parts are the same however it is cut. What looks like a
/// call and is none (broken, or of a function that no tool has) is passed on as content.
/// </summary>
internal abstract class ToolCallParser(IReadOnlyCollection<string> functions)
{
    private string _blanks = "";

    /// <summary>Text not looked at yet.</summary>
    protected string Held { get; set; } = "";

    /// <summary>Calls so far.</summary>
    public int NumCalls { get; private set; }

    public void Append(string text, List<ParsedPart> parts)
    {
        Held += text;
        while (Step(parts))
        {
        }
    }

    /// <summary>Passes on what was held back.</summary>
    public void End(List<ParsedPart> parts)
    {
        Finish(parts);
        Content(Held, parts);
        Held = "";
        // Blanks after a call belong to its form.
        if (NumCalls == 0 && _blanks.Length > 0) parts.Add(new ParsedPart(ParsedKind.Content, _blanks));
        _blanks = "";
    }

    /// <summary>Advances over part of <see cref="Held"/>; false when more text is needed.</summary>
    protected abstract bool Step(List<ParsedPart> parts);

    /// <summary>The text has ended inside a call: what was taken and not passed on goes back to <see cref="Held"/>.</summary>
    protected abstract void Finish(List<ParsedPart> parts);

    protected bool IsKnown(string function) => functions.Contains(function);

    /// <summary>Blanks wait for what follows: before a call they are dropped.</summary>
    protected void Content(string text, List<ParsedPart> parts)
    {
        text = _blanks + text;
        string trimmed = text.TrimEnd();
        _blanks = text[trimmed.Length..];
        if (trimmed.Length > 0) parts.Add(new ParsedPart(ParsedKind.Content, trimmed));
    }

    protected void Begin(string name, List<ParsedPart> parts)
    {
        _blanks = "";
        parts.Add(new ParsedPart(ParsedKind.CallBegin, name, NumCalls++));
    }

    protected void Arguments(string text, List<ParsedPart> parts)
    {
        if (text.Length > 0) parts.Add(new ParsedPart(ParsedKind.CallArguments, text, NumCalls - 1));
    }

    /// <summary>Passes on as content what comes before the tag; true when the tag was found, and then <see cref="Held"/> begins after it.</summary>
    protected bool SkipTo(string tag, List<ParsedPart> parts)
    {
        int at = Held.IndexOf(tag, StringComparison.Ordinal);
        int safe = at >= 0 ? at : Held.Length - TagText.PartialSuffix(Held, tag);
        Content(Held[..safe], parts);
        Held = Held[(at >= 0 ? at + tag.Length : safe)..];
        return at >= 0;
    }
}
