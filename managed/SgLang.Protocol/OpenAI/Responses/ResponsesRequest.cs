using System.Text.Json;

namespace SgLang.Protocol;

/// <summary>Body of /v1/responses. What it shares with a chat is served as one.</summary>
public sealed record ResponsesRequest : OpenAIRequest
{
    /// <summary>A text, or a list of messages.</summary>
    public JsonElement? Input { get; set; }

    /// <summary>A system message before all others; not handed on to later responses.</summary>
    public string? Instructions { get; set; }
    public int? MaxOutputTokens { get; set; }

    /// <summary>The response whose conversation goes on.</summary>
    public string? PreviousResponseId { get; set; }

    /// <summary>Whether it can be asked for and continued later; true unless said otherwise.</summary>
    public bool? Store { get; set; }

    /// <summary>Answer at once; the result is asked for later.</summary>
    public bool? Background { get; set; }

    /// <summary>text.format: the counterpart of a chat's response_format.</summary>
    public ResponsesText? Text { get; set; }
    public ResponsesReasoning? Reasoning { get; set; }
    public Dictionary<string, string>? Metadata { get; set; }
    public int? TopLogprobs { get; set; }
    public string[]? Include { get; set; }
    public string? Truncation { get; set; }
    public JsonElement? ChatTemplateKwargs { get; set; }

    // Not served: a value that asks for something is refused.
    public JsonElement? Tools { get; set; }
    public JsonElement? ToolChoice { get; set; }
    public JsonElement? Conversation { get; set; }
    public JsonElement? Prompt { get; set; }

    /// <summary>The field of <see cref="Include"/> that asks for log-probabilities.</summary>
    public const string IncludeLogprobs = "message.output_text.logprobs";

    public bool WantsLogprobs => Include?.Contains(IncludeLogprobs) is true || TopLogprobs is > 0;

    /// <exception cref="InvalidRequestException">Anything that this server does not serve.</exception>
    public override void RefuseUnsupported()
    {
        base.RefuseUnsupported();
        Unsupported.Refuse("conversation", Conversation);
        Unsupported.Refuse("prompt", Prompt);
        if (Tools is { ValueKind: JsonValueKind.Array } tools && tools.GetArrayLength() > 0)
            throw new InvalidRequestException("tools are not served by /v1/responses on this server; use /v1/chat/completions for tool calls.");
        if (Tools is { ValueKind: not (JsonValueKind.Array or JsonValueKind.Null) }) throw new InvalidRequestException("tools must be a list.");
        bool isHarmless = ToolChoice is not { ValueKind: not JsonValueKind.Null } choice
            || (choice.ValueKind == JsonValueKind.String && (choice.ValueEquals("auto"u8) || choice.ValueEquals("none"u8)));
        if (!isHarmless) throw new InvalidRequestException("tool_choice must be \"auto\" or \"none\": tools are not served by /v1/responses on this server.");
        if (Truncation is not (null or "disabled"))
            throw new InvalidRequestException($"truncation must be \"disabled\" on this server, got \"{Truncation}\": input that is too long is refused.");
        foreach (string wanted in Include ?? [])
        {
            if (wanted is not (IncludeLogprobs or "reasoning.encrypted_content"))
                throw new InvalidRequestException($"include must be a list of \"{IncludeLogprobs}\" and \"reasoning.encrypted_content\" on this server, got \"{wanted}\".");
        }
        if (N is not (null or 1)) throw new InvalidRequestException($"n must be 1: a response is one answer, got {N}.");
        if (ResponseFormat is not null) throw new InvalidRequestException("response_format is text.format in this API; rename it.");
    }

    /// <summary>The same wishes as a chat's, without its messages.</summary>
    public ChatCompletionRequest ToChat() => new()
    {
        Model = Model,
        Stream = Stream,
        MaxTokens = MaxOutputTokens,
        Logprobs = WantsLogprobs,
        TopLogprobs = WantsLogprobs ? TopLogprobs ?? 0 : null,
        ReasoningEffort = Reasoning?.Effort,
        ChatTemplateKwargs = ChatTemplateKwargs,
        Stop = Stop,
        Seed = Seed,
        Temperature = Temperature,
        TopP = TopP,
        TopK = TopK,
        MinP = MinP,
        PresencePenalty = PresencePenalty,
        FrequencyPenalty = FrequencyPenalty,
        RepetitionPenalty = RepetitionPenalty,
        LogitBias = LogitBias,
        MinTokens = MinTokens,
        StopTokenIds = StopTokenIds,
        NoStopTrim = NoStopTrim,
        IgnoreEos = IgnoreEos,
        SkipSpecialTokens = SkipSpecialTokens,
        Rid = Rid,
        User = User,
        Priority = Priority,
        Regex = Regex,
        Ebnf = Ebnf,
        JsonSchema = JsonSchema,
        ResponseFormat = Text?.Format?.ToResponseFormat(),
    };
}

public sealed record ResponsesText
{
    public ResponsesTextFormat? Format { get; set; }
}

/// <summary>text, json_object, or json_schema with its name and schema beside the type.</summary>
public sealed record ResponsesTextFormat
{
    public string? Type { get; set; }
    public string? Name { get; set; }
    public string? Description { get; set; }
    public JsonElement? Schema { get; set; }
    public bool? Strict { get; set; }

    internal ResponseFormat ToResponseFormat() => new()
    {
        Type = Type,
        JsonSchema = Type == "json_schema"
            ? new JsonSchemaFormat { Schema = Schema is { ValueKind: not JsonValueKind.Null } ? Schema : throw new InvalidRequestException("text.format.schema is required for a format of type \"json_schema\".") }
            : null,
    };
}

public sealed record ResponsesReasoning
{
    public string? Effort { get; set; }
    public string? Summary { get; set; }
}
