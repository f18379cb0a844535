namespace SgLang.Server.Parsing;

/// <summary>
/// DeepSeek's form: between the tags of all calls, each call between its own. V3 writes the type, a separator, the name and the arguments in a
/// block of JSON; V3.1 the name, a separator and the arguments.
/// </summary>
internal sealed class DeepSeekCallParser(IReadOnlyCollection<string> functions, bool hasType) : ToolCallParser(functions)
{
    private const string CallsOpen = "<｜tool▁calls▁begin｜>";
    private const string CallsClose = "<｜tool▁calls▁end｜>";
    private const string CallOpen = "<｜tool▁call▁begin｜>";
    private const string CallClose = "<｜tool▁call▁end｜>";
    private const string Separator = "<｜tool▁sep｜>";
    private const string BlockOpen = "```json\n";
    private const string BlockClose = "\n```";

    private State _state;

    private enum State : byte
    {
        Text,

        /// <summary>Between calls, where only tags and blanks stand.</summary>
        Between,

        /// <summary>The name and what is around it.</summary>
        Header,
        Arguments,
    }

    protected override bool Step(List<ParsedPart> parts)
    {
        switch (_state)
        {
            case State.Text:
                if (!SkipTo(CallsOpen, parts)) return false;
                _state = State.Between;
                return true;
            case State.Between:
                return Between(parts);
            case State.Header:
                return Header(parts);
            default:
                return ReadArguments(parts);
        }
    }

    protected override void Finish(List<ParsedPart> parts)
    {
        if (_state == State.Arguments)
        {
            Arguments(WithoutBlock(Held), parts);
            Held = "";
        }
        else if (_state == State.Header)
        {
            Held = CallOpen + Held;
        }
        _state = State.Text;
    }

    private bool Between(List<ParsedPart> parts)
    {
        string trimmed = Held.TrimStart();
        foreach ((string tag, State next) in new[] { (CallOpen, State.Header), (CallsClose, State.Text) })
        {
            if (trimmed.StartsWith(tag, StringComparison.Ordinal))
            {
                Held = trimmed[tag.Length..];
                _state = next;
                return true;
            }
            if (tag.StartsWith(trimmed, StringComparison.Ordinal)) return false;
        }
        // Neither: what follows is text.
        _state = State.Text;
        return true;
    }

    private bool Header(List<ParsedPart> parts)
    {
        int end = Held.IndexOf(CallClose, StringComparison.Ordinal);
        int separator = Held.IndexOf(Separator, StringComparison.Ordinal);
        int nameEnd = separator, begin = separator + Separator.Length;
        if (hasType && separator >= 0)
        {
            int block = Held.IndexOf(BlockOpen, begin, StringComparison.Ordinal);
            nameEnd = block;
            begin = block + BlockOpen.Length;
        }
        bool isBroken = end >= 0 && (nameEnd < 0 || end < nameEnd);
        if (nameEnd < 0 && !isBroken) return false;
        string name = isBroken ? "" : Held[(hasType ? separator + Separator.Length : 0)..nameEnd].Trim();
        if (isBroken || !IsKnown(name))
        {
            Content(CallOpen, parts);
            _state = State.Text;
            return true;
        }
        Begin(name, parts);
        Held = Held[begin..];
        _state = State.Arguments;
        return true;
    }

    private bool ReadArguments(List<ParsedPart> parts)
    {
        int end = Held.IndexOf(CallClose, StringComparison.Ordinal);
        if (end >= 0)
        {
            Arguments(WithoutBlock(Held[..end]), parts);
            Held = Held[(end + CallClose.Length)..];
            _state = State.Between;
            return true;
        }
        string tail = hasType ? BlockClose + CallClose : CallClose;
        int safe = Held.Length - Math.Max(TagText.PartialSuffix(Held, tail), TagText.PartialSuffix(Held, CallClose));
        // Blanks may belong to the end of the block.
        while (safe > 0 && Held[safe - 1] is '\n' or '\r' or '`' or ' ') safe--;
        Arguments(Held[..safe], parts);
        Held = Held[safe..];
        return false;
    }

    private string WithoutBlock(string arguments)
    {
        arguments = arguments.TrimEnd();
        return hasType && arguments.EndsWith(BlockClose[1..], StringComparison.Ordinal) ? arguments[..^(BlockClose.Length - 1)].TrimEnd() : arguments;
    }
}
