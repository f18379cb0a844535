using System.Text;
using SgLang.Protocol;
using SgLang.Server.Parsing;

namespace SgLang.Server.Serving;

/// <summary>One choice of a chat answer taken apart: reasoning first, then tool calls in what is left.</summary>
internal sealed class ChatAnswerParser(ReasoningSplitter? reasoning, ToolCallParser? toolCalls)
{
    private readonly List<ParsedPart> _split = [];

    public bool HasCalls => toolCalls is { NumCalls: > 0 };

    public void Append(string text, List<ParsedPart> parts)
    {
        if (reasoning is null)
        {
            AppendContent(text, parts);
            return;
        }
        _split.Clear();
        reasoning.Append(text, _split);
        Distribute(parts);
    }

    /// <summary>The text is over.</summary>
    public void End(List<ParsedPart> parts)
    {
        _split.Clear();
        reasoning?.End(_split);
        Distribute(parts);
        toolCalls?.End(parts);
    }

    /// <summary>A whole text's message.</summary>
    public ChatMessage Message(string text)
    {
        var parts = new List<ParsedPart>();
        Append(text, parts);
        End(parts);
        return new ChatMessage
        {
            Role = "assistant",
            Content = Join(parts, ParsedKind.Content) ?? "",
            ReasoningContent = Join(parts, ParsedKind.Reasoning),
            ToolCalls = HasCalls ? [.. Enumerable.Range(0, toolCalls!.NumCalls).Select(i => Call(parts, i))] : null,
        };
    }

    /// <summary>A part as a piece of a stream.</summary>
    public static ChatDelta Delta(ParsedPart part) => part.Kind switch
    {
        ParsedKind.Content => new ChatDelta { Content = part.Text },
        ParsedKind.Reasoning => new ChatDelta { ReasoningContent = part.Text },
        ParsedKind.CallBegin => new ChatDelta { ToolCalls = [new ToolCall { Id = NewId(), Index = part.Call, Function = new ToolCallFunction { Name = part.Text, Arguments = "" } }] },
        _ => new ChatDelta { ToolCalls = [new ToolCall { Index = part.Call, Function = new ToolCallFunction { Arguments = part.Text } }] },
    };

    private void Distribute(List<ParsedPart> parts)
    {
        foreach (ParsedPart part in _split)
        {
            if (part.Kind == ParsedKind.Content) AppendContent(part.Text, parts);
            else parts.Add(part);
        }
    }

    private void AppendContent(string text, List<ParsedPart> parts)
    {
        if (toolCalls is not null) toolCalls.Append(text, parts);
        else if (text.Length > 0) parts.Add(new ParsedPart(ParsedKind.Content, text));
    }

    private static ToolCall Call(List<ParsedPart> parts, int index)
    {
        var arguments = new StringBuilder();
        string name = "";
        foreach (ParsedPart part in parts)
        {
            if (part.Call != index) continue;
            if (part.Kind == ParsedKind.CallBegin) name = part.Text;
            else arguments.Append(part.Text);
        }
        return new ToolCall { Id = NewId(), Index = index, Function = new ToolCallFunction { Name = name, Arguments = arguments.ToString() } };
    }

    private static string? Join(List<ParsedPart> parts, ParsedKind kind) =>
        parts.Exists(part => part.Kind == kind) ? string.Concat(parts.Where(part => part.Kind == kind).Select(part => part.Text)) : null;

    private static string NewId() => $"call_{Guid.NewGuid().ToString("N")[..24]}";
}
