namespace SgLang.Server.Parsing;

/// <summary>Base of forms whose calls are JSON objects with the name inside; what is around the objects differs.</summary>
internal abstract class JsonCallParser(IReadOnlyCollection<string> functions) : ToolCallParser(functions)
{
    private JsonCallReader? _call;
    private bool _hasBegun;

    /// <summary>What introduced the object, given back if it is no call.</summary>
    private string _opening = "";

    protected sealed override bool Step(List<ParsedPart> parts) => _call is null ? Outside(parts) : Inside(parts);

    protected sealed override void Finish(List<ParsedPart> parts)
    {
        if (_call is not { } call) return;
        _call = null;
        // A call that was announced stays one, cut as it is.
        if (!_hasBegun) Held = _opening + call.Raw + Held;
    }

    /// <summary>Looks for the next call and <see cref="Open"/>s it. False when more text is needed.</summary>
    protected abstract bool Outside(List<ParsedPart> parts);

    /// <summary>The object has ended, with <see cref="ToolCallParser.Held"/> after it.</summary>
    protected abstract void Closed();

    /// <summary>It was no call, and has been passed on.</summary>
    protected abstract void Failed();

    /// <summary><see cref="ToolCallParser.Held"/> begins with the object.</summary>
    protected void Open(string opening)
    {
        _call = new JsonCallReader(IsKnown);
        _hasBegun = false;
        _opening = opening;
    }

    private bool Inside(List<ParsedPart> parts)
    {
        JsonCallReader call = _call!;
        int taken = 0;
        while (taken < Held.Length && !call.IsDone && !call.IsFailed)
        {
            call.Append(Held[taken++]);
            if (_hasBegun || call.Name is not { } name) continue;
            _hasBegun = true;
            Begin(name, parts);
        }
        Held = Held[taken..];
        if (_hasBegun) Arguments(call.TakeArguments(), parts);
        if (call.IsFailed)
        {
            _call = null;
            // Broken after it was announced: it ends there, and the rest is text.
            if (!_hasBegun) Content(_opening + call.Raw, parts);
            Failed();
            return Held.Length > 0;
        }
        if (!call.IsDone) return false;
        _call = null;
        Closed();
        return Held.Length > 0;
    }
}
