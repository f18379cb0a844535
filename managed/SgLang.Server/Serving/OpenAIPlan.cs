using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;

namespace SgLang.Server.Serving;

/// <summary>One choice of an OpenAI answer, and the engine request behind it.</summary>
/// <param name="PromptIndex">Which prompt of the body it belongs to.</param>
/// <param name="EchoText">Put before the text; null without echo.</param>
internal sealed record OpenAIItem(GenerationRequest Request, int PromptIndex, string? EchoText = null);

/// <summary>A /v1/completions or /v1/chat/completions body, checked and taken apart.</summary>
internal sealed record OpenAIPlan
{
    /// <summary>`id` of the answer.</summary>
    public required string Id { get; init; }
    public required IReadOnlyList<OpenAIItem> Items { get; init; }
    public required int NumPrompts { get; init; }
    public required bool Stream { get; init; }
    public required bool IncludeUsage { get; init; }
    public required bool ContinuousUsage { get; init; }

    /// <summary>Null when no log-probabilities are wanted.</summary>
    public required int? TopLogprobs { get; init; }

    /// <exception cref="InvalidRequestException">Anything the sender has to change.</exception>
    public static OpenAIPlan ForCompletion(CompletionRequest body, ServingFacts facts, ServerOptions options)
    {
        body.RefuseUnsupported();
        if (body.MaxTokens is < 1) throw new InvalidRequestException($"max_tokens must be at least 1, got {body.MaxTokens}.");
        (int[] Ids, string? Text)[] prompts = Prompts(body, facts);
        bool echo = body.Echo ?? false;
        SamplingParams sampling = body.ToSamplingParams(body.MaxTokens ?? 16, new SamplingParams(), facts.VocabularySize);
        return Create(body, [.. prompts.Select(p => (p.Ids, echo ? p.Text : null))], sampling, body.Logprobs, scorePrompt: echo, facts, options);
    }

    /// <param name="prompt">The rendered conversation, or the ids that came in its place.</param>
    /// <param name="modelDefaults">Of generation_config.json.</param>
    /// <exception cref="InvalidRequestException">Anything the sender has to change.</exception>
    public static OpenAIPlan ForChat(ChatCompletionRequest body, int[] prompt, ChatForm form, SamplingParams modelDefaults, ServingFacts facts, ServerOptions options)
    {
        int? maxTokens = body.MaxCompletionTokens ?? body.MaxTokens;
        if (maxTokens is < 1)
            throw new InvalidRequestException($"{(body.MaxCompletionTokens is null ? "max_tokens" : "max_completion_tokens")} must be at least 1, got {maxTokens}.");
        bool logprobs = body.Logprobs ?? false;
        if (!logprobs && body.TopLogprobs is > 0) throw new InvalidRequestException("top_logprobs needs logprobs to be true.");
        SamplingParams sampling = body.ToSamplingParams(maxTokens, options.SamplingDefaultsFromModel ? modelDefaults : new SamplingParams(), facts.VocabularySize);
        if (facts.ChatStops.Count > 0) sampling = sampling with { Stop = [.. sampling.Stop, .. facts.ChatStops] };
        if (form.DemandedCalls is { } calls)
        {
            if (sampling.Grammar is not null) throw new InvalidRequestException("tool_choice that demands a call and another constraint of the answer (response_format, json_schema, regex, ebnf) exclude each other.");
            sampling = sampling with { Grammar = calls };
        }
        if (sampling.Grammar is not null && form.HasReasoning) sampling = sampling with { GrammarBeginsAfter = facts.ReasoningEndTokenId ?? -1 };
        if (form.NeedsSpecialTokens) sampling = sampling with { SkipSpecialTokens = false };
        return Create(body, [(prompt, null)], sampling, logprobs ? body.TopLogprobs ?? 0 : null, scorePrompt: false, facts, options);
    }

    private static OpenAIPlan Create(
        OpenAIRequest body, (int[] Ids, string? Echo)[] prompts, SamplingParams sampling, int? topLogprobs, bool scorePrompt, ServingFacts facts, ServerOptions options)
    {
        NativePlan.CheckSampling(sampling, facts);
        facts.CheckCount(prompts.Length, sampling.N);
        if (topLogprobs is { } top && (top < 0 || top > facts.VocabularySize))
            throw new InvalidRequestException($"{(body is CompletionRequest ? "logprobs" : "top_logprobs")} must be in [0, {facts.VocabularySize}], got {top}.");
        LogprobOptions? logprobs = topLogprobs is { } count ? new LogprobOptions { StartLength = scorePrompt ? 0 : -1, TopCount = count } : null;
        NativePlan.CheckLength("extra_key", body.ExtraKey, prompts.Length);
        NativePlan.CheckLength("cache_salt", body.CacheSalt, prompts.Length);
        if (body.Rid is { Length: 0 }) throw new InvalidRequestException("rid cannot be an empty string.");
        string id = body.Rid ?? Guid.NewGuid().ToString("N");
        string[] rids = NativePlan.Rids(id, prompts.Length, sampling.N, isMany: false);
        var items = new List<OpenAIItem>(rids.Length);
        for (int i = 0; i < rids.Length; i++)
        {
            (int[] ids, string? echo) = prompts[i / sampling.N];
            items.Add(new OpenAIItem(
                new GenerationRequest
                {
                    Rid = rids[i],
                    InputIds = ids,
                    Sampling = sampling with { N = 1, Seed = NativePlan.SeedOf(sampling.Seed, i % sampling.N) },
                    Logprobs = logprobs,
                    IsStreaming = body.Stream ?? false,
                    Priority = body.Priority,
                    ExtraKey = NativePlan.ExtraKey(body.ExtraKey, body.CacheSalt, i / sampling.N),
                },
                i / sampling.N, echo));
        }
        return new OpenAIPlan
        {
            Id = id,
            Items = items,
            NumPrompts = prompts.Length,
            Stream = body.Stream ?? false,
            IncludeUsage = body.IncludeUsage || (options.StreamResponseDefaultIncludeUsage && body.StreamOptions?.IncludeUsage is not false),
            ContinuousUsage = body.ContinuousUsage,
            TopLogprobs = topLogprobs,
        };
    }

    private static (int[] Ids, string? Text)[] Prompts(CompletionRequest body, ServingFacts facts)
    {
        (int[] Ids, string? Text)[] prompts = body.Prompt switch
        {
            { Text: { } text } => [.. text.Items.Select(item => (facts.EncodeText(item, addSpecialTokens: true, "prompt"), (string?)item))],
            { Ids: { } ids } => [.. ids.Items.Select(item => (item, (string?)null))],
            _ => [],
        };
        if (prompts.Length == 0 || Array.Exists(prompts, p => p.Ids.Length == 0 || p.Text is "")) throw new InvalidRequestException("Prompt cannot be empty");
        if (body.Echo is true && body.Prompt!.Ids is not null)
        {
            if (facts.Decode is not { } decode) throw new InvalidRequestException("echo needs a tokenizer, and this server runs without one.");
            if (Array.Exists(prompts, p => Array.Exists(p.Ids, id => (uint)id >= (uint)facts.VocabularySize)))
                throw new InvalidRequestException($"prompt must hold token ids in [0, {facts.VocabularySize - 1}].");
            for (int i = 0; i < prompts.Length; i++) prompts[i].Text = decode(prompts[i].Ids);
        }
        return prompts;
    }
}
