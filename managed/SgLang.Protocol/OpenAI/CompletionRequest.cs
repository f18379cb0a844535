using System.Text.Json;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

public sealed record StreamOptions
{
    public bool? IncludeUsage { get; set; }
    public bool? ContinuousUsageStats { get; set; }
}

/// <summary>What /v1/completions and /v1/chat/completions have in common.</summary>
public abstract record OpenAIRequest
{
    public string? Model { get; set; }
    public int? N { get; set; }
    public bool? Stream { get; set; }
    public StreamOptions? StreamOptions { get; set; }
    public OneOrMany<string>? Stop { get; set; }
    public long? Seed { get; set; }
    public double? Temperature { get; set; }
    public double? TopP { get; set; }
    public int? TopK { get; set; }
    public double? MinP { get; set; }
    public double? PresencePenalty { get; set; }
    public double? FrequencyPenalty { get; set; }
    public double? RepetitionPenalty { get; set; }
    public Dictionary<string, float>? LogitBias { get; set; }
    public int? MinTokens { get; set; }
    public OneOrMany<string>? StopRegex { get; set; }
    public OneOrMany<int>? StopTokenIds { get; set; }
    public bool? NoStopTrim { get; set; }
    public bool? IgnoreEos { get; set; }
    public bool? SkipSpecialTokens { get; set; }
    public string? Rid { get; set; }
    public string? User { get; set; }

    /// <summary>Counts with --enable-priority-scheduling.</summary>
    public int? Priority { get; set; }

    public string? Regex { get; set; }
    public string? Ebnf { get; set; }

    /// <summary>Text of a schema, or the schema itself.</summary>
    public JsonElement? JsonSchema { get; set; }
    public ResponseFormat? ResponseFormat { get; set; }

    // vLLM's names of the same constraints, and of no_stop_trim.
    public JsonElement? GuidedJson { get; set; }
    public string? GuidedRegex { get; set; }
    public string? GuidedGrammar { get; set; }
    public string[]? GuidedChoice { get; set; }
    public StructuredOutputs? StructuredOutputs { get; set; }
    public bool? IncludeStopStrInOutput { get; set; }

    // Prompts share cached prefixes with those of the same salt and key only; one of each, or one for each prompt.
    public OneOrMany<string>? ExtraKey { get; set; }
    public OneOrMany<string>? CacheSalt { get; set; }

    // Not served: a value other than null is refused.
    public JsonElement? BootstrapHost { get; set; }
    public JsonElement? BootstrapRoom { get; set; }
    public bool? ReturnHiddenStates { get; set; }
    public JsonElement? LoraPath { get; set; }
    public JsonElement? SessionParams { get; set; }
    public bool? UseBeamSearch { get; set; }
    public JsonElement? PromptLogprobs { get; set; }
    public JsonElement? TruncatePromptTokens { get; set; }

    public bool IncludeUsage => StreamOptions?.IncludeUsage is true;
    public bool ContinuousUsage => StreamOptions?.ContinuousUsageStats is true;

    public virtual void RefuseUnsupported()
    {
        Unsupported.Refuse("bootstrap_host", BootstrapHost);
        Unsupported.Refuse("bootstrap_room", BootstrapRoom);
        Unsupported.Refuse("return_hidden_states", ReturnHiddenStates);
        Unsupported.Refuse("lora_path", LoraPath);
        Unsupported.Refuse("session_params", SessionParams);
        Unsupported.Refuse("use_beam_search", UseBeamSearch);
        Unsupported.Refuse("prompt_logprobs", PromptLogprobs);
        Unsupported.Refuse("truncate_prompt_tokens", TruncatePromptTokens);
    }

    /// <param name="maxNewTokens">Null means as much as fits the context.</param>
    /// <param name="defaults">Of temperature, top_p, top_k, min_p and repetition_penalty.</param>
    public SamplingParams ToSamplingParams(int? maxNewTokens, SamplingParams defaults, int vocabularySize) => new()
    {
        MaxNewTokens = maxNewTokens,
        MinNewTokens = MinTokens ?? 0,
        Temperature = Temperature ?? defaults.Temperature,
        TopP = TopP ?? defaults.TopP,
        TopK = TopK ?? defaults.TopK,
        MinP = MinP ?? defaults.MinP,
        PresencePenalty = PresencePenalty ?? 0,
        FrequencyPenalty = FrequencyPenalty ?? 0,
        RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
        Stop = SamplingParamsBody.StopStrings(Stop),
        StopRegex = SamplingParamsBody.StopStrings(StopRegex),
        StopTokenIds = StopTokenIds?.Items ?? [],
        IgnoreEos = IgnoreEos ?? false,
        SkipSpecialTokens = SkipSpecialTokens ?? true,
        NoStopTrim = NoStopTrim ?? IncludeStopStrInOutput ?? false,
        N = N ?? 1,
        LogitBias = SamplingParamsBody.LogitBiasById(LogitBias, vocabularySize),
        Seed = Seed,
        Grammar = GrammarFields.Of(
            JsonSchema ?? GuidedJson ?? StructuredOutputs?.Json,
            Regex ?? GuidedRegex ?? StructuredOutputs?.Regex ?? GrammarFields.OneOf(GuidedChoice ?? StructuredOutputs?.Choice),
            Ebnf ?? GuidedGrammar ?? StructuredOutputs?.Grammar,
            ResponseFormat),
    };
}

/// <summary>vLLM's constraints of an output; one of them.</summary>
public sealed record StructuredOutputs
{
    public JsonElement? Json { get; set; }
    public string? Regex { get; set; }
    public string? Grammar { get; set; }
    public string[]? Choice { get; set; }
}

/// <summary>Body of /v1/completions.</summary>
public sealed record CompletionRequest : OpenAIRequest
{
    public PromptInput? Prompt { get; set; }
    public int? MaxTokens { get; set; }
    public bool? Echo { get; set; }

    /// <summary>How many alternatives to list at each token; null means no log-probabilities.</summary>
    public int? Logprobs { get; set; }

    /// <summary>Only <see cref="OpenAIRequest.N"/>: all that is generated is returned.</summary>
    public int? BestOf { get; set; }

    /// <summary>Refused: the model is not asked to fill in.</summary>
    public string? Suffix { get; set; }

    /// <exception cref="InvalidRequestException">Anything that this server does not serve.</exception>
    public override void RefuseUnsupported()
    {
        base.RefuseUnsupported();
        if (Suffix is { Length: > 0 }) throw new InvalidRequestException("suffix is not supported by this server; remove it from the request.");
        if (BestOf is { } best && best != (N ?? 1))
            throw new InvalidRequestException($"best_of must be n ({N ?? 1}), got {best}: this server returns every completion that it generates.");
    }
}
