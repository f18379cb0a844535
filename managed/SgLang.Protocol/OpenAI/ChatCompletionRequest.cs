using System.Text.Json;

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

    /// <summary>False: a demanded answer has one call.</summary>
    public bool? ParallelToolCalls { get; set; }

    /// <summary>False leaves the model's reasoning in the content.</summary>
    public bool? SeparateReasoning { get; set; }

    /// <summary>False gives a stream's reasoning in one piece.</summary>
    public bool? StreamReasoning { get; set; }
    public JsonElement? ChatTemplateKwargs { get; set; }
    public bool? ContinueFinalMessage { get; set; }

    /// <summary>Bypasses the template.</summary>
    public int[]? InputIds { get; set; }
    public string? ReasoningEffort { get; set; }
    public bool? ReturnMetaInfo { get; set; }
    public bool? ReturnPromptTokenIds { get; set; }
}
