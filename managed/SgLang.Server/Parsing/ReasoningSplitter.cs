namespace SgLang.Server.Parsing;

/// <summary>Tells what a model thinks from what it answers, by the tags around the thinking. Pieces may end anywhere.</summary>
internal sealed class ReasoningSplitter
{
    public const string Open = "<think>";
    public const string Close = "</think>";

    private readonly bool _streamsReasoning;
    private string _held = "";
    private string _unsentReasoning = "";
    private State _state;

    /// <param name="isOpen">The prompt, or the model's habit, has opened the thinking already; otherwise it is there only if the answer begins with the tag.</param>
    /// <param name="streamsReasoning">False: reasoning is given in one piece when it is over.</param>
    public ReasoningSplitter(bool isOpen, bool streamsReasoning = true)
    {
        _state = isOpen ? State.AfterOpening : State.Beginning;
        _streamsReasoning = streamsReasoning;
    }

    private enum State : byte
    {
        /// <summary>Nothing but blanks so far; the opening tag may come.</summary>
        Beginning,

        /// <summary>Inside already, but a model may repeat the opening tag.</summary>
        AfterOpening,
        Reasoning,

        /// <summary>Blanks between the closing tag and the answer are dropped.</summary>
        AfterReasoning,
        Content,
    }

    /// <summary>Whether what follows a prompt begins inside the reasoning; null where the prompt has closed it, and nothing is reasoning.</summary>
    /// <param name="parser">Name of the form.</param>
    /// <param name="prompt">Its end at least; null where it is not known.</param>
    public static bool? IsOpenAfter(string parser, string? prompt)
    {
        string? end = prompt?.TrimEnd();
        // A template that closes the thinking itself has turned it off.
        if (end?.EndsWith(Close, StringComparison.Ordinal) == true) return null;
        return ParserNames.OpensSilently(parser) || end?.EndsWith(Open, StringComparison.Ordinal) == true;
    }

    /// <summary>Whether there is reasoning, and whether what comes now is none of it.</summary>
    public bool HasReasoned { get; private set; }
    public bool IsOver => _state is State.AfterReasoning or State.Content;

    public void Append(string text, List<ParsedPart> parts)
    {
        _held += text;
        while (Step(parts))
        {
        }
    }

    /// <summary>What was held back because it could have been a tag.</summary>
    public void End(List<ParsedPart> parts)
    {
        if (_state is State.Reasoning or State.AfterOpening) AddReasoning(_held, parts, isOver: true);
        else if (_state != State.AfterReasoning) AddContent(_held, parts);
        _held = "";
    }

    /// <summary>False when more text is needed.</summary>
    private bool Step(List<ParsedPart> parts)
    {
        switch (_state)
        {
            case State.Beginning or State.AfterOpening:
                string trimmed = _held.TrimStart();
                bool isWhole = trimmed.StartsWith(Open, StringComparison.Ordinal);
                if (!isWhole && Open.StartsWith(trimmed, StringComparison.Ordinal)) return false;
                if (isWhole) _held = trimmed[Open.Length..];
                HasReasoned = isWhole || _state == State.AfterOpening;
                _state = HasReasoned ? State.Reasoning : State.Content;
                return true;
            case State.Reasoning:
                int end = _held.IndexOf(Close, StringComparison.Ordinal);
                if (end < 0)
                {
                    int safe = _held.Length - TagText.PartialSuffix(_held, Close);
                    AddReasoning(_held[..safe], parts, isOver: false);
                    _held = _held[safe..];
                    return false;
                }
                AddReasoning(_held[..end], parts, isOver: true);
                _held = _held[(end + Close.Length)..];
                _state = State.AfterReasoning;
                return true;
            case State.AfterReasoning:
                _held = _held.TrimStart();
                if (_held.Length == 0) return false;
                _state = State.Content;
                return true;
            default:
                AddContent(_held, parts);
                _held = "";
                return false;
        }
    }

    private void AddReasoning(string text, List<ParsedPart> parts, bool isOver)
    {
        _unsentReasoning += text;
        if (_unsentReasoning.Length == 0 || !(isOver || _streamsReasoning)) return;
        parts.Add(new ParsedPart(ParsedKind.Reasoning, _unsentReasoning));
        _unsentReasoning = "";
    }

    private static void AddContent(string text, List<ParsedPart> parts)
    {
        if (text.Length > 0) parts.Add(new ParsedPart(ParsedKind.Content, text));
    }
}
