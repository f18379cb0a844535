using System.Text.Json.Serialization;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

public sealed record ChatCompletionResponse
{
    public required string Id { get; init; }
    public string Object { get; init; } = "chat.completion";
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<ChatChoice> Choices { get; init; }
    public required Usage Usage { get; init; }
    public ResponseMetadata? Metadata { get; init; }
    public IReadOnlyList<int>? PromptTokenIds { get; init; }
}

public sealed record ChatChoice
{
    public required int Index { get; init; }
    public required ChatMessage Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ChatLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IdOrText? MatchedStop { get; init; }
    public MetaInfo? MetaInfo { get; init; }
}

public sealed record ChatMessage
{
    public required string Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? ReasoningContent { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

public sealed record ChatCompletionChunk
{
    public required string Id { get; init; }
    public string Object { get; init; } = "chat.completion.chunk";
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<ChatChunkChoice> Choices { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public Usage? Usage { get; init; }
}

public sealed record ChatChunkChoice
{
    public required int Index { get; init; }
    public required ChatDelta Delta { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ChatLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IdOrText? MatchedStop { get; init; }
}

public sealed record ChatDelta
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? ReasoningContent { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

public sealed record ChatLogprobs
{
    public required IReadOnlyList<ChatTokenLogprob> Content { get; init; }
}

public sealed record ChatTokenLogprob
{
    public required string Token { get; init; }

    /// <summary>UTF-8 of <see cref="Token"/>.</summary>
    public required IReadOnlyList<int> Bytes { get; init; }

    /// <summary>-9999 stands for a token that could not occur.</summary>
    public required float Logprob { get; init; }
    public IReadOnlyList<ChatTopLogprob> TopLogprobs { get; init; } = [];
}

public sealed record ChatTopLogprob
{
    public required string Token { get; init; }
    public required IReadOnlyList<int> Bytes { get; init; }
    public required float Logprob { get; init; }
}
