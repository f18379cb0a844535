namespace SgLang.Server.Parsing;

/// <summary>Qwen's and Hermes' form: &lt;tool_call&gt;{"name": ..., "arguments": {...}}&lt;/tool_call&gt;, any number of times.</summary>
internal sealed class HermesCallParser(IReadOnlyCollection<string> functions) : JsonCallParser(functions)
{
    private const string OpenTag = "<tool_call>";
    private const string CloseTag = "</tool_call>";

    private State _state;

    private enum State : byte
    {
        Text,
        BeforeObject,
        AfterObject,
    }

    protected override bool Outside(List<ParsedPart> parts)
    {
        switch (_state)
        {
            case State.Text:
                if (!SkipTo(OpenTag, parts)) return false;
                _state = State.BeforeObject;
                return true;
            case State.BeforeObject:
                string trimmed = Held.TrimStart();
                if (trimmed.Length == 0) return false;
                string opening = OpenTag + Held[..^trimmed.Length];
                Held = trimmed;
                Open(opening);
                return true;
            default:
                string rest = Held.TrimStart();
                if (rest.Length < CloseTag.Length && CloseTag.StartsWith(rest, StringComparison.Ordinal)) return false;
                if (rest.StartsWith(CloseTag, StringComparison.Ordinal)) Held = rest[CloseTag.Length..];
                _state = State.Text;
                return true;
        }
    }

    protected override void Closed() => _state = State.AfterObject;

    protected override void Failed() => _state = State.Text;
}
