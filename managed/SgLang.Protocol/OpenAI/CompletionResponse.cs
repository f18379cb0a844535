using System.Text.Json.Serialization;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

public sealed record Usage
{
    public required int PromptTokens { get; init; }
    public required int CompletionTokens { get; init; }
    public required int TotalTokens { get; init; }
    public int ReasoningTokens { get; init; }

    /// <summary>Filled with --enable-cache-report only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public PromptTokensDetails? PromptTokensDetails { get; init; }
}

public sealed record PromptTokensDetails(int CachedTokens);

public sealed record ResponseMetadata(string WeightVersion);

/// <summary>Answer of /v1/completions, or one event of its stream.</summary>
public sealed record CompletionResponse
{
    public required string Id { get; init; }
    public string Object { get; init; } = "text_completion";
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<CompletionChoice> Choices { get; init; }

    /// <summary>Null in the events of a stream but the last, and there as null: clients that asked for usage look for it in each.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public Usage? Usage { get; init; }
    public ResponseMetadata? Metadata { get; init; }
}

public sealed record CompletionChoice
{
    public required int Index { get; init; }
    public required string Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public CompletionLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IdOrText? MatchedStop { get; init; }
}

/// <summary>Parallel lists, one entry a token.</summary>
public sealed record CompletionLogprobs
{
    /// <summary>Always -1: offsets are not computed.</summary>
    public IReadOnlyList<int> TextOffset { get; init; } = [];
    public IReadOnlyList<float?> TokenLogprobs { get; init; } = [];
    public IReadOnlyList<string> Tokens { get; init; } = [];
    public IReadOnlyList<Dictionary<string, float>?> TopLogprobs { get; init; } = [];
}
