namespace SgLang.Core;

/// <summary>Which log-probabilities a request wants.</summary>
public sealed record LogprobOptions
{
    /// <summary>First prompt position to score; -1 means output tokens only.</summary>
    public int StartLength { get; init; } = -1;

    /// <summary>How many of the largest alternatives to return at each position.</summary>
    public int TopCount { get; init; }
}
