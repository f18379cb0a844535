using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Server.Serving;

/// <summary>A /generate body, checked and taken apart into engine requests. Items are prompt-major: all n of the first prompt, then the next.</summary>
internal sealed record NativePlan
{
    public required IReadOnlyList<GenerationRequest> Items { get; init; }

    /// <summary>The answer is a list: several prompts, a list of one, or n above 1.</summary>
    public required bool IsList { get; init; }
    public required bool Stream { get; init; }
    public required bool ReturnText { get; init; }
    public required bool ReturnTextInLogprobs { get; init; }
    public required bool ReturnPromptTokenIds { get; init; }
    public required bool LogMetrics { get; init; }

    /// <exception cref="InvalidRequestException">Anything the sender has to change.</exception>
    public static NativePlan Create(GenerateRequest body, ServingFacts facts)
    {
        body.RefuseUnsupported();
        (IReadOnlyList<int[]> prompts, bool isMany) = Prompts(body.Text, body.InputIds, facts);
        SamplingParams[] sampling = Sampling(body, prompts.Count, facts);
        int n = sampling[0].N;
        facts.CheckCount(prompts.Count, n);
        CheckBatchLengths(body, prompts.Count);
        string[] rids = Rids(body.Rid, prompts.Count, n, isMany);

        var items = new List<GenerationRequest>(prompts.Count * n);
        for (int prompt = 0; prompt < prompts.Count; prompt++)
        {
            LogprobOptions? logprobs = body.ReturnLogprob?.For(prompt) ?? false ? Logprobs(body, prompt, prompts[prompt].Length, facts) : null;
            for (int copy = 0; copy < n; copy++)
            {
                items.Add(new GenerationRequest
                {
                    Rid = rids[prompt * n + copy],
                    InputIds = prompts[prompt],
                    Sampling = sampling[prompt] with { N = 1, Seed = SeedOf(sampling[prompt].Seed, copy) },
                    Logprobs = logprobs,
                    IsStreaming = body.Stream ?? false,
                    Priority = body.Priority,
                    RoutingKey = body.RoutingKey,
                    ExtraKey = ExtraKey(body.ExtraKey, null, prompt),
                    DpRank = body.RoutedDpRank ?? body.DataParallelRank,
                    StreamInterval = (body.SamplingParams is { Items.Count: > 0 } given ? given.For(prompt) : null)?.StreamInterval,
                });
            }
        }
        return new NativePlan
        {
            Items = items,
            IsList = isMany || n > 1,
            Stream = body.Stream ?? false,
            ReturnText = facts.Encode is not null,
            ReturnTextInLogprobs = body.ReturnTextInLogprobs ?? false,
            ReturnPromptTokenIds = body.ReturnPromptTokenIds ?? false,
            LogMetrics = body.LogMetrics ?? true,
        };
    }

    /// <summary>Copies of one prompt draw differently, and each the same at every repetition of the request.</summary>
    internal static long? SeedOf(long? seed, int copy) => seed is null ? null : unchecked(seed + copy);

    private static LogprobOptions Logprobs(GenerateRequest body, int prompt, int promptLength, ServingFacts facts)
    {
        var options = new LogprobOptions
        {
            StartLength = body.LogprobStartLen?.For(prompt) ?? -1,
            TopCount = body.TopLogprobsNum?.For(prompt) ?? 0,
            TokenIds = body.TokenIdsLogprob?.For(prompt) ?? [],
        };
        return options.Validate(promptLength, facts.VocabularySize) is { } message ? throw new InvalidRequestException(message) : options;
    }

    /// <exception cref="InvalidRequestException">Both or none of them, or an empty one.</exception>
    internal static (IReadOnlyList<int[]> Prompts, bool IsMany) Prompts(OneOrMany<string>? texts, OneOrMany<int[]>? inputIds, ServingFacts facts)
    {
        if (texts is null == inputIds is null) throw new InvalidRequestException("Either text, input_ids or input_embeds should be provided.");
        if (texts is { } text)
        {
            if (text.Items.Count == 0) throw new InvalidRequestException("text cannot be an empty list.");
            int[][] encoded = [.. text.Items.Select(item => facts.EncodeText(item, addSpecialTokens: true, "text"))];
            if (Array.Exists(encoded, ids => ids.Length == 0)) throw new InvalidRequestException("text cannot be empty: it has no tokens.");
            return (encoded, text.IsMany);
        }
        OneOrMany<int[]> given = inputIds!;
        if (given.Items.Count == 0 || given.Items.Any(ids => ids.Length == 0)) throw new InvalidRequestException("input_ids cannot be empty.");
        return (given.Items, given.IsMany);
    }

    private static SamplingParams[] Sampling(GenerateRequest body, int prompts, ServingFacts facts)
    {
        OneOrMany<SamplingParamsBody> given = body.SamplingParams ?? new SamplingParamsBody();
        if (given.IsMany && given.Items.Count != prompts)
            throw new InvalidRequestException($"sampling_params must be one object or a list with one for each of the {prompts} prompts, got {given.Items.Count}.");
        var sampling = new SamplingParams[prompts];
        for (int i = 0; i < prompts; i++)
        {
            sampling[i] = i > 0 && !given.IsMany ? sampling[0] : given.For(i).ToSamplingParams(facts.VocabularySize);
            CheckSampling(sampling[i], facts);
            if (sampling[i].N != sampling[0].N)
                throw new InvalidRequestException($"n must be the same in all sampling_params of a batch, got {sampling[0].N} and {sampling[i].N}.");
        }
        return sampling;
    }

    /// <summary>Ranges, and what cannot work without a tokenizer.</summary>
    internal static void CheckSampling(SamplingParams sampling, ServingFacts facts)
    {
        if (sampling.Validate(facts.VocabularySize) is { } message) throw new InvalidRequestException(message);
        if (facts.Encode is not null) return;
        if (sampling.Stop.Count > 0) throw new InvalidRequestException("stop needs a tokenizer, and this server runs without one; use stop_token_ids instead.");
        if (sampling.StopRegex.Count > 0) throw new InvalidRequestException("stop_regex needs a tokenizer, and this server runs without one; use stop_token_ids instead.");
        if (sampling.MinNewTokens > 0) throw new InvalidRequestException("min_new_tokens needs a tokenizer, and this server runs without one.");
    }

    private static void CheckBatchLengths(GenerateRequest body, int prompts)
    {
        Check("return_logprob", body.ReturnLogprob);
        Check("logprob_start_len", body.LogprobStartLen);
        Check("top_logprobs_num", body.TopLogprobsNum);
        Check("token_ids_logprob", body.TokenIdsLogprob);
        Check("extra_key", body.ExtraKey);

        void Check<T>(string name, OneOrMany<T>? value) => CheckLength(name, value, prompts);
    }

    internal static void CheckLength<T>(string name, OneOrMany<T>? value, int prompts)
    {
        if (value is { IsMany: true } && value.Items.Count != prompts)
            throw new InvalidRequestException($"{name} must be one value or a list with one for each of the {prompts} prompts, got {value.Items.Count}.");
    }

    /// <summary>The name space of a prompt's cached prefix; null, the common one, where neither is given or both are empty.</summary>
    internal static string? ExtraKey(OneOrMany<string>? key, OneOrMany<string>? salt, int prompt) =>
        $"{salt?.For(prompt)}{key?.For(prompt)}" is { Length: > 0 } whole ? whole : null;

    /// <summary>
    /// A single request keeps its rid. A string for several gives rid_0, rid_1...; a list has one for each prompt, and with n above 1 each of
    /// those is numbered in turn.
    /// </summary>
    internal static string[] Rids(OneOrMany<string>? given, int prompts, int n, bool isMany)
    {
        int count = prompts * n;
        var rids = new string[count];
        if (given is null)
        {
            for (int i = 0; i < count; i++) rids[i] = Guid.NewGuid().ToString("N");
            return rids;
        }
        if (given.IsMany && given.Items.Count != prompts)
            throw new InvalidRequestException($"rid must be a string or a list with one for each of the {prompts} prompts, got {given.Items.Count}.");
        if (given.Items.Any(rid => rid.Length == 0)) throw new InvalidRequestException("rid cannot be an empty string.");
        for (int i = 0; i < count; i++)
        {
            string rid = given.For(i / n);
            rids[i] = given.IsMany ? n == 1 ? rid : $"{rid}_{i % n}" : count == 1 && !isMany ? rid : $"{rid}_{i}";
        }
        if (rids.Distinct(StringComparer.Ordinal).Count() != count) throw new InvalidRequestException("rid must not name two requests alike.");
        return rids;
    }
}
