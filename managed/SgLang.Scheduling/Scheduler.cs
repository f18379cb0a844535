using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// Decides what each step computes. Pure: the same calls give the same plans. One thread at a time.
/// <code>
/// TryEnqueue* -> Plan -> (run it) -> Commit or Fail -> Events, ClearEvents
/// </code>
/// With overlap the next <see cref="Plan"/> comes before the previous plan's commit; at most two plans are uncommitted, and they are
/// committed in order. Tokens computed for a request that had ended are dropped.
/// </summary>
public sealed class Scheduler
{
    public Scheduler(SchedulerOptions options, TimeProvider? time = null) => Options = options;

    public SchedulerOptions Options { get; }
    public SchedulerStats Stats => throw new NotImplementedException();

    /// <summary>Nothing waits, runs or is uncommitted.</summary>
    public bool IsIdle => throw new NotImplementedException();

    /// <summary>
    /// Accepts a request, clamping its max_new_tokens to what context and pool allow, or says why not (400 too long, 503 queue full).
    /// A refused request gets no event.
    /// </summary>
    public bool TryEnqueue(Request request, out FinishReason refusal) => throw new NotImplementedException();

    /// <summary>Ends every unfinished request whose rid starts with the prefix, at once; a step in flight computes for it in vain.</summary>
    public void Abort(string ridPrefix, string message) => throw new NotImplementedException();

    /// <summary>Ends one request at once; nothing happens if it has finished.</summary>
    public void Abort(Request request, FinishReason reason) => throw new NotImplementedException();

    public void AbortAll(string message) => throw new NotImplementedException();

    /// <summary>
    /// Ends a request whose reader found a stop string: <paramref name="outputLength"/> tokens are kept, later ones dropped. Nothing
    /// happens if it has finished.
    /// </summary>
    public void FinishAt(Request request, int outputLength, FinishReason reason) => throw new NotImplementedException();

    /// <summary>
    /// The next step, or null when there is nothing to compute until something is enqueued or the plan in flight is committed.
    /// Throws <see cref="InvalidOperationException"/> when two plans are uncommitted.
    /// </summary>
    public StepPlan? Plan() => throw new NotImplementedException();

    /// <summary>Takes the result of the oldest uncommitted plan: one id per entry of <see cref="StepPlan.SampleIndex"/>.</summary>
    public void Commit(StepPlan plan, ReadOnlySpan<int> sampledIds) => throw new NotImplementedException();

    /// <summary>The oldest uncommitted plan could not run: its requests end with <paramref name="reason"/> and what they held is freed.</summary>
    public void Fail(StepPlan plan, FinishReason reason) => throw new NotImplementedException();

    /// <summary>What happened since <see cref="ClearEvents"/>, in order.</summary>
    public ReadOnlySpan<SchedulerEvent> Events => throw new NotImplementedException();

    public void ClearEvents() => throw new NotImplementedException();

    /// <summary>Empties the prefix cache; false unless <see cref="IsIdle"/>.</summary>
    public bool TryFlushCache() => throw new NotImplementedException();
}
