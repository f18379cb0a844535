namespace SgLang.Core;

/// <summary>How the tokens of one request are chosen and when it stops. Values are validated by <see cref="Validate"/>.</summary>
public sealed record SamplingParams
{
    public const double GreedyTemperature = 1e-6;

    /// <summary>Null means as many as fit the context.</summary>
    public int? MaxNewTokens { get; init; } = 128;
    public int MinNewTokens { get; init; }

    /// <summary>Below <see cref="GreedyTemperature"/> means greedy.</summary>
    public double Temperature { get; init; } = 1.0;
    public double TopP { get; init; } = 1.0;

    /// <summary>-1 means the whole vocabulary.</summary>
    public int TopK { get; init; } = -1;
    public double MinP { get; init; }
    public double FrequencyPenalty { get; init; }
    public double PresencePenalty { get; init; }
    public double RepetitionPenalty { get; init; } = 1.0;

    /// <summary>Texts that end the generation; the output is cut before the match.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Regular expressions that end the generation when the text matches one; the output is cut before the match.</summary>
    public IReadOnlyList<string> StopRegex { get; init; } = [];
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Disables every token stop; stop strings still apply.</summary>
    public bool IgnoreEos { get; init; }
    public bool SkipSpecialTokens { get; init; } = true;
    public bool SpacesBetweenSpecialTokens { get; init; } = true;

    /// <summary>Keeps the matched stop in the text.</summary>
    public bool NoStopTrim { get; init; }
    public int N { get; init; } = 1;
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>What the output must look like; null means anything.</summary>
    public GrammarSpec? Grammar { get; init; }

    /// <summary>The token after which <see cref="Grammar"/> begins, for models that think first; -1: with the first token.</summary>
    public int GrammarBeginsAfter { get; init; } = -1;

    /// <summary>With a seed the draw depends on nothing but the request's own logits.</summary>
    public long? Seed { get; init; }

    /// <summary>Whether the text, not only the tokens, decides when to stop.</summary>
    public bool HasTextStop => Stop.Count > 0 || StopRegex.Count > 0;

    public bool IsGreedy => Temperature < GreedyTemperature || TopK == 1;

    /// <summary>The message for the first value out of range, or null. Messages are those of the native API's specification.</summary>
    public string? Validate(int vocabularySize)
    {
        if (MaxNewTokens is < 0) return $"max_new_tokens must be at least 0, got {MaxNewTokens}.";
        if (MinNewTokens < 0 || (MaxNewTokens is { } max && MinNewTokens > max))
            return $"min_new_tokens must be in [0, max_new_tokens({MaxNewTokens?.ToString() ?? "None"})], got {MinNewTokens}.";
        if (!double.IsFinite(Temperature) || Temperature < 0) return $"temperature must be a non-negative finite number, got {Text(Temperature)}.";
        if (!(TopP > 0 && TopP <= 1)) return $"top_p must be in (0, 1], got {Text(TopP)}.";
        if (TopK is not (-1 or >= 1)) return $"top_k must be -1 (disable) or at least 1, got {TopK}.";
        if (!(MinP >= 0 && MinP <= 1)) return $"min_p must be in [0, 1], got {Text(MinP)}.";
        if (!(FrequencyPenalty >= -2 && FrequencyPenalty <= 2)) return $"frequency_penalty must be in [-2, 2], got {Text(FrequencyPenalty)}.";
        if (!(PresencePenalty >= -2 && PresencePenalty <= 2)) return $"presence_penalty must be in [-2, 2], got {Text(PresencePenalty)}.";
        if (!(RepetitionPenalty > 0 && RepetitionPenalty <= 2))
            return $"repetition_penalty must be in (0, 2] (1.0 = no penalty), got {Text(RepetitionPenalty)}.";
        if (N < 1) return $"n must be at least 1, got {N}.";
        foreach (int id in StopTokenIds)
            if (id < 0 || id >= vocabularySize) return $"stop_token_ids must be in [0, {vocabularySize - 1}], got {id}.";
        if (LogitBias is not null)
            foreach (int id in LogitBias.Keys)
                if (id < 0 || id >= vocabularySize) return $"logit_bias must has keys in [0, {vocabularySize - 1}], got {id}.";
        return null;

        static string Text(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
    }
}
