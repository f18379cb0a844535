namespace SgLang.Protocol;

/// <summary>An event of a streamed response. Which fields it has depends on its type.</summary>
public sealed record ResponseEvent
{
    public required string Type { get; init; }

    /// <summary>Counts the stream's events from 0.</summary>
    public required int SequenceNumber { get; init; }

    /// <summary>response.created, .in_progress, .completed, .incomplete, .failed.</summary>
    public ResponseBody? Response { get; init; }

    public int? OutputIndex { get; init; }
    public int? ContentIndex { get; init; }
    public string? ItemId { get; init; }

    /// <summary>response.output_item.added, .done.</summary>
    public ResponseItem? Item { get; init; }

    /// <summary>response.content_part.added, .done.</summary>
    public ResponseContent? Part { get; init; }

    /// <summary>response.output_text.delta, response.reasoning_text.delta.</summary>
    public string? Delta { get; init; }

    /// <summary>response.output_text.done, response.reasoning_text.done.</summary>
    public string? Text { get; init; }
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }
}
