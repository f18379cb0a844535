namespace SgLang.Protocol;

/// <summary>A part of a response's output: a message, or the reasoning before it.</summary>
public sealed record ResponseItem
{
    public required string Id { get; init; }

    /// <summary>message or reasoning.</summary>
    public required string Type { get; init; }

    /// <summary>in_progress, completed or incomplete.</summary>
    public required string Status { get; init; }

    /// <summary>Of a message.</summary>
    public string? Role { get; init; }

    /// <summary>Of reasoning; always empty: nothing is summarized.</summary>
    public IReadOnlyList<ResponseContent>? Summary { get; init; }
    public IReadOnlyList<ResponseContent> Content { get; init; } = [];
}

public sealed record ResponseContent
{
    /// <summary>output_text or reasoning_text.</summary>
    public required string Type { get; init; }
    public required string Text { get; init; }

    /// <summary>Of output_text; always empty.</summary>
    public IReadOnlyList<string>? Annotations { get; init; }

    /// <summary>Of output_text.</summary>
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }
}
