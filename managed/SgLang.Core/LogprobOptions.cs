namespace SgLang.Core;

/// <summary>Which log-probabilities a request wants.</summary>
public sealed record LogprobOptions
{
    /// <summary>Each id costs a pass over the vocabulary at every position.</summary>
    public const int MaxTokenIds = 256;

    /// <summary>First prompt position to score; -1 means output tokens only.</summary>
    public int StartLength { get; init; } = -1;

    /// <summary>How many of the largest alternatives to return at each position.</summary>
    public int TopCount { get; init; }

    /// <summary>Ids to score at each position whatever their rank, at most <see cref="MaxTokenIds"/>; kept, not copied.</summary>
    public int[] TokenIds { get; init; } = [];

    /// <summary>The message for the first value out of range, or null.</summary>
    public string? Validate(int promptLength, int vocabularySize)
    {
        if (StartLength < -1 || StartLength > promptLength) return $"logprob_start_len must be -1 or in [0, {promptLength}], the prompt's length, got {StartLength}.";
        if (TopCount < 0 || TopCount > vocabularySize) return $"top_logprobs_num must be in [0, {vocabularySize}], got {TopCount}.";
        if (TokenIds.Length > MaxTokenIds) return $"token_ids_logprob must hold at most {MaxTokenIds} ids, got {TokenIds.Length}.";
        foreach (int id in TokenIds)
            if ((uint)id >= (uint)vocabularySize) return $"token_ids_logprob must be in [0, {vocabularySize - 1}], got {id}.";
        return null;
    }
}
