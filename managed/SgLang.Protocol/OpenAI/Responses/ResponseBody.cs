using System.Text.Json.Serialization;

namespace SgLang.Protocol;

/// <summary>A response of /v1/responses as it stands.</summary>
public sealed record ResponseBody
{
    public required string Id { get; init; }
    public string Object { get; init; } = "response";
    public required long CreatedAt { get; init; }

    /// <summary>queued, in_progress, completed, incomplete, cancelled or failed.</summary>
    public required string Status { get; init; }
    public bool Background { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseError? Error { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IncompleteDetails? IncompleteDetails { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Instructions { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? MaxOutputTokens { get; init; }
    public required string Model { get; init; }
    public IReadOnlyList<ResponseItem> Output { get; init; } = [];
    public bool ParallelToolCalls { get; init; } = true;

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? PreviousResponseId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponsesReasoning? Reasoning { get; init; }
    public bool Store { get; init; }
    public required double Temperature { get; init; }
    public required double TopP { get; init; }
    public required ResponsesText Text { get; init; }
    public string ToolChoice { get; init; } = "auto";
    public IReadOnlyList<string> Tools { get; init; } = [];
    public string Truncation { get; init; } = "disabled";

    /// <summary>Null until it has ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseUsage? Usage { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? User { get; init; }
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
}

public sealed record ResponseError(string Code, string Message);

public sealed record IncompleteDetails(string Reason);

public sealed record ResponseUsage
{
    public required int InputTokens { get; init; }
    public required InputTokensDetails InputTokensDetails { get; init; }
    public required int OutputTokens { get; init; }
    public required OutputTokensDetails OutputTokensDetails { get; init; }
    public required int TotalTokens { get; init; }
}

public sealed record InputTokensDetails(int CachedTokens);

public sealed record OutputTokensDetails(int ReasoningTokens);

/// <summary>Answer of DELETE /v1/responses/{id}.</summary>
public sealed record ResponseDeleted(string Id)
{
    public string Object { get; init; } = "response";
    public bool Deleted { get; init; } = true;
}
