namespace SgLang.Server.Parsing;

/// <summary>
/// Llama 3's form: the answer is {"name": ..., "parameters": {...}}, or such objects come after &lt;|python_tag|&gt;, with `;` between them.
/// </summary>
internal sealed class LlamaCallParser(IReadOnlyCollection<string> functions) : JsonCallParser(functions)
{
    private const string Tag = "<|python_tag|>";

    private State _state;

    private enum State : byte
    {
        /// <summary>Nothing but blanks so far.</summary>
        Beginning,
        Text,
        AfterTag,
        AfterObject,
    }

    protected override bool Outside(List<ParsedPart> parts)
    {
        if (_state == State.Text)
        {
            if (!SkipTo(Tag, parts)) return false;
            _state = State.AfterTag;
            return true;
        }
        string trimmed = Held.TrimStart();
        if (trimmed.Length == 0) return false;
        bool isSeparated = _state == State.AfterObject && trimmed[0] == ';';
        if (isSeparated)
        {
            Held = trimmed[1..];
            _state = State.AfterTag;
            return true;
        }
        if (trimmed[0] == '{')
        {
            string opening = (_state == State.AfterTag ? Tag : "") + Held[..^trimmed.Length];
            Held = trimmed;
            Open(opening);
            return true;
        }
        // The tag introduced something else: it is text.
        if (_state == State.AfterTag) Content(Tag, parts);
        _state = State.Text;
        return true;
    }

    protected override void Closed() => _state = State.AfterObject;

    protected override void Failed() => _state = State.Text;
}
