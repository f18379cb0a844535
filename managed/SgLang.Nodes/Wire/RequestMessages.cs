using SgLang.Core;
using SgLang.Engine;
using SgLang.Grammars.Matching;
using SgLang.Scheduling;

namespace SgLang.Nodes.Wire;

/// <summary>Requests as other nodes' samplers need them.</summary>
internal static class RequestMessages
{
    public static RequestInfo Of(Request request, int row)
    {
        SamplingParams sampling = request.SamplingParams;
        ISampledRequest owner = (ISampledRequest)request.Owner!;
        RequestInfo state = new()
        {
            Row = row,
            Rid = request.Rid,
            MinNewTokens = request.MinNewTokens,
            NumRetractions = request.NumRetractions,
            Seed = owner.Seed,
            IsSeeded = sampling.Seed is not null,
            Temperature = sampling.Temperature,
            TopP = sampling.TopP,
            TopK = sampling.TopK,
            MinP = sampling.MinP,
            FrequencyPenalty = sampling.FrequencyPenalty,
            PresencePenalty = sampling.PresencePenalty,
            RepetitionPenalty = sampling.RepetitionPenalty,
            GrammarBeginsAfter = sampling.GrammarBeginsAfter,
            WantsEmbedding = request.WantsEmbedding,
        };
        state.Prompt.AddRange(request.PromptIds.ToArray());
        state.Output.AddRange(request.OutputIds.ToArray());
        state.StopTokenIds.AddRange(owner.StopTokenIds);
        if (sampling.LogitBias is { } biases)
            foreach ((int id, float bias) in biases) state.LogitBias.Add(id, bias);
        if (sampling.Grammar is { } grammar) state.Grammar = new GrammarText { Kind = (int)grammar.Kind, Text = grammar.Text };
        if (request.LogprobOptions is { } logprobs) state.Logprobs = new LogprobWish { StartLength = logprobs.StartLength, TopCount = logprobs.TopCount, TokenIds = { logprobs.TokenIds } };
        return state;
    }

    /// <summary>Makes the request known to a mirror; compiles its grammar, which this node may not have met before.</summary>
    public static void Introduce(RequestInfo state, StepPlanMirror mirror, GrammarStore grammars)
    {
        GrammarSpec? grammar = state.Grammar is { } given ? new GrammarSpec((GrammarKind)given.Kind, given.Text) : null;
        SamplingParams sampling = new()
        {
            Seed = state.IsSeeded ? (long)state.Seed : null,
            Temperature = state.Temperature,
            TopP = state.TopP,
            TopK = state.TopK,
            MinP = state.MinP,
            FrequencyPenalty = state.FrequencyPenalty,
            PresencePenalty = state.PresencePenalty,
            RepetitionPenalty = state.RepetitionPenalty,
            LogitBias = state.LogitBias.Count > 0 ? state.LogitBias.ToDictionary() : null,
            Grammar = grammar,
            GrammarBeginsAfter = state.GrammarBeginsAfter,
        };
        LogprobOptions? logprobs = state.Logprobs is { } wish ? new LogprobOptions { StartLength = wish.StartLength, TopCount = wish.TopCount, TokenIds = [.. wish.TokenIds] } : null;
        CompiledGrammar? compiled = grammar is { } spec ? grammars.GetAsync(spec, CancellationToken.None).GetAwaiter().GetResult() : null;
        Request request = new(state.Rid, [.. state.Prompt], sampling, [], logprobs) { WantsEmbedding = state.WantsEmbedding, Owner = new Owner(state.Seed, [.. state.StopTokenIds], compiled) };
        mirror.Introduce(state.Row, request, [.. state.Output], state.MinNewTokens, state.NumRetractions);
    }

    private sealed record Owner(ulong Seed, int[] StopTokenIds, CompiledGrammar? Grammar) : ISampledRequest;
}
