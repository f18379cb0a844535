using Google.Protobuf.Collections;
using SgLang.Engine;
using SgLang.Interop;
using SgLang.Scheduling;

namespace SgLang.Nodes.Wire;

/// <summary>Outcomes of steps as messages.</summary>
internal static class OutcomeMessages
{
    /// <param name="reports">Whether the ranks here draw: else only an error counts.</param>
    public static StepReport Of(int replica, StepPlan plan, StepOutcome outcome, bool reports)
    {
        StepReport result = new() { Replica = replica };
        if (outcome.Error is { } error)
        {
            result.Error = Of(error);
            return result;
        }
        if (!reports) return result;
        result.Ids.AddRange(outcome.Ids(plan).ToArray());
        if (WantsScores(plan))
        {
            result.Logprobs.AddRange(outcome.Logprobs(plan).ToArray());
            foreach (TokenLogprob[]? top in outcome.Top(plan)) result.Top.Add(Of(top ?? []));
            foreach (TokenLogprob[]? chosen in outcome.Chosen(plan)) result.Chosen.Add(Of(chosen ?? []));
        }
        foreach (PromptScores scores in outcome.PromptScores)
        {
            ScoredPrompt message = new() { RequestIndex = scores.RequestIndex, Tokens = Of(scores.Tokens), HasTop = scores.Top is not null, HasChosen = scores.Chosen is not null };
            foreach (TokenLogprob[] top in scores.Top ?? []) message.Top.Add(Of(top));
            foreach (TokenLogprob[] chosen in scores.Chosen ?? []) message.Chosen.Add(Of(chosen));
            result.PromptScores.Add(message);
        }
        foreach (PromptEmbedding embedding in outcome.Embeddings) result.Embeddings.Add(new Embedding { RequestIndex = embedding.RequestIndex, Values = { embedding.Values } });
        return result;
    }

    public static StepError Of(Exception error) => new()
    {
        Message = error.Message, IsFatal = error is FatalDeviceException, IsConsequence = error is SglException { Status: SglStatus.Comm },
    };

    /// <summary>Fills an outcome of the same plan on node 0.</summary>
    public static void Read(StepReport result, StepPlan plan, StepOutcome outcome)
    {
        if (result.Error is { } error)
        {
            outcome.Error = ErrorOf(error);
            return;
        }
        ReadPromptScores(result, outcome);
        foreach (Embedding embedding in result.Embeddings) outcome.Embeddings.Add(new PromptEmbedding(embedding.RequestIndex, [.. embedding.Values]));
        // Nodes without the last stage draw nothing.
        if (result.Ids.Count == 0) return;
        Copy(result.Ids, outcome.Ids(plan));
        if (result.Logprobs.Count > 0) Copy(result.Logprobs, outcome.Logprobs(plan));
        for (int i = 0; i < Math.Min(result.Top.Count, plan.NumSamples); i++) outcome.SetTop(i, ScoresOrNull(result.Top[i]));
        for (int i = 0; i < Math.Min(result.Chosen.Count, plan.NumSamples); i++) outcome.SetChosen(i, ScoresOrNull(result.Chosen[i]));
    }

    public static Exception ErrorOf(StepError error) =>
        error.IsFatal ? new FatalDeviceException(error.Message)
        : error.IsConsequence ? new SglException(SglStatus.Comm, error.Message)
        : new InvalidOperationException(error.Message);

    private static void ReadPromptScores(StepReport result, StepOutcome outcome)
    {
        foreach (ScoredPrompt scores in result.PromptScores)
            outcome.PromptScores.Add(new PromptScores(scores.RequestIndex, ScoresOf(scores.Tokens), scores.HasTop ? [.. scores.Top.Select(ScoresOf)] : null,
                scores.HasChosen ? [.. scores.Chosen.Select(ScoresOf)] : null));
    }

    private static bool WantsScores(StepPlan plan)
    {
        foreach (int request in plan.SampleIndex)
            if (plan.Requests[request].LogprobOptions is not null) return true;
        return false;
    }

    private static Scores Of(TokenLogprob[] scores)
    {
        Scores message = new();
        foreach (TokenLogprob score in scores)
        {
            message.Ids.Add(score.TokenId);
            message.Logprobs.Add(score.Logprob ?? float.NaN);
        }
        return message;
    }

    private static TokenLogprob[] ScoresOf(Scores scores)
    {
        TokenLogprob[] all = new TokenLogprob[scores.Ids.Count];
        for (int i = 0; i < all.Length; i++) all[i] = new TokenLogprob(float.IsNaN(scores.Logprobs[i]) ? null : scores.Logprobs[i], scores.Ids[i]);
        return all;
    }

    private static TokenLogprob[]? ScoresOrNull(Scores scores) => scores.Ids.Count > 0 ? ScoresOf(scores) : null;

    private static void Copy<T>(RepeatedField<T> from, Span<T> to)
    {
        if (from.Count != to.Length) throw new InvalidDataException($"{from.Count} results of {to.Length} samples");
        for (int i = 0; i < to.Length; i++) to[i] = from[i];
    }
}
