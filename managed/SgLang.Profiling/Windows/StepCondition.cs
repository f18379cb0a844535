namespace SgLang.Profiling;

/// <summary>What a window looks at in a step; the step is shared, so this is a view.</summary>
public interface IStepFacts
{
    int NumRequests { get; }

    /// <summary>New tokens of the request that has most of them.</summary>
    int LongestPrefill { get; }

    bool Contains(string requestId);
}

/// <summary>Which steps a window takes: those for which everything that is given holds.</summary>
/// <param name="MinBatchSize">At least so many requests.</param>
/// <param name="RequestId">This request is among them.</param>
/// <param name="PrefillLongerThan">Some request has more new tokens than this.</param>
/// <param name="MinDecodeBatchSize">As the first, for decode steps only.</param>
public sealed record StepCondition(int? MinBatchSize = null, string? RequestId = null, int? PrefillLongerThan = null, int? MinDecodeBatchSize = null)
{
    public static StepCondition None { get; } = new();

    public bool IsNone => this == None;

    public bool Holds(StepMode mode, IStepFacts step) =>
        !(step.NumRequests < MinBatchSize)
        && !(mode == StepMode.Decode && step.NumRequests < MinDecodeBatchSize)
        && !(step.LongestPrefill <= PrefillLongerThan)
        && (RequestId is null || step.Contains(RequestId));
}
