namespace SgLang.Server.Parsing;

/// <summary>The form of answers whose tool calls are demanded, which a grammar ensures: a JSON list of {"name": ..., "parameters": {...}}.</summary>
internal sealed class JsonListCallParser(IReadOnlyCollection<string> functions) : JsonCallParser(functions)
{
    private bool _isText;

    protected override bool Outside(List<ParsedPart> parts)
    {
        if (_isText)
        {
            Content(Held, parts);
            Held = "";
            return false;
        }
        Held = Held.TrimStart();
        if (Held.Length == 0) return false;
        if (Held[0] is '[' or ',' or ']') Held = Held[1..];
        else if (Held[0] == '{') Open("");
        else _isText = true;
        return true;
    }

    protected override void Closed()
    {
    }

    protected override void Failed() => _isText = true;
}
