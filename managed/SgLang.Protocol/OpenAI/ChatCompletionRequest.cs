using System.Text.Json;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Body of /v1/chat/completions. Messages and tools stay JSON: the chat template sees every field a client sends.</summary>
public sealed record ChatCompletionRequest : OpenAIRequest
{
    public JsonElement? Messages { get; set; }
    public int? MaxTokens { get; set; }
    public int? MaxCompletionTokens { get; set; }
    public bool? Logprobs { get; set; }
    public int? TopLogprobs { get; set; }
    public JsonElement? Tools { get; set; }
    public JsonElement? ToolChoice { get; set; }
    public JsonElement? ChatTemplateKwargs { get; set; }
    public bool? ContinueFinalMessage { get; set; }

    /// <summary>Bypasses the template.</summary>
    public int[]? InputIds { get; set; }
    public string? ReasoningEffort { get; set; }
    public bool? ReturnMetaInfo { get; set; }
    public bool? ReturnPromptTokenIds { get; set; }

    public override void RefuseUnsupported()
    {
        base.RefuseUnsupported();
        // A forced call needs constrained decoding; "auto" and "none" only change what the template sees.
        if (ToolChoice is { } choice && (choice.ValueKind != JsonValueKind.String || choice.GetString() is not ("auto" or "none")))
            throw new InvalidRequestException($"tool_choice must be \"auto\" or \"none\" on this server, got {choice.GetRawText()}.");
    }
}
