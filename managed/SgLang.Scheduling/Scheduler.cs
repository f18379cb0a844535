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
    private const int MaxInitialPages = 1 << 16;

    private readonly SchedulerState _state;
    private readonly DecodePlanner _decode;
    private readonly PrefillPlanner _prefill;

    // A ring of three: two may be uncommitted, and the one committed last stays readable while the next is filled.
    private readonly StepPlan[] _plans = new StepPlan[3];
    private int _numOutstanding;

    /// <param name="time">For time stamps and time-outs; plans depend on it only when a time-out is set.</param>
    public Scheduler(SchedulerOptions options, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxRunningRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NumPages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PageSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxPrefillTokens, 1);
        if (options.ChunkedPrefillSize is 0 or < -1)
            throw new ArgumentOutOfRangeException(nameof(options), options.ChunkedPrefillSize, "ChunkedPrefillSize must be -1 (off) or at least 1.");
        _state = new SchedulerState(options, time ?? TimeProvider.System);
        _decode = new DecodePlanner(_state);
        _prefill = new PrefillPlanner(_state, _decode);
        for (int i = 0; i < _plans.Length; i++) _plans[i] = new StepPlan(options.MaxRunningRequests, Math.Min(options.NumPages, MaxInitialPages));
    }

    public SchedulerOptions Options => _state.Options;

    /// <summary>Nothing waits, runs or is uncommitted.</summary>
    public bool IsIdle => _state.NumAdmitted == 0 && _state.Waiting.Count == 0 && _numOutstanding == 0;

    /// <summary>What happened since <see cref="ClearEvents"/>, in order.</summary>
    public ReadOnlySpan<SchedulerEvent> Events => _state.Events;

    public SchedulerStats Stats => SchedulerStats.Of(_state);

    internal SchedulerState State => _state;

    /// <summary>Uncommitted plans, oldest first.</summary>
    internal IEnumerable<StepPlan> Outstanding
    {
        get
        {
            for (int i = _numOutstanding; i > 0; i--) yield return PlanAt(_state.Totals.Steps - i);
        }
    }

    public void ClearEvents() => _state.ClearEvents();

    /// <summary>
    /// Accepts a request, clamping its max_new_tokens to what context and pool allow, or says why not (400 too long, 503 queue full).
    /// A refused request gets no event.
    /// </summary>
    public bool TryEnqueue(Request request, out FinishReason refusal)
    {
        if (request.State != RequestState.New) throw new ArgumentException($"Request {request.Rid} was given to a scheduler before.", nameof(request));
        if (Arrival.Settle(request, Options, _state.Waiting.Count) is { } reason)
        {
            refusal = reason;
            return false;
        }
        refusal = default;
        request.Sequence = _state.Totals.Accepted++;
        request.EnqueuedAt = _state.Now;
        request.Node = _state.Cache.Tree.Root;
        _state.Enqueue(request);
        return true;
    }

    /// <summary>Ends every unfinished request whose rid starts with the prefix, at once; a step in flight computes for it in vain.</summary>
    public void Abort(string ridPrefix, string message)
    {
        FinishReason reason = FinishReason.Abort(message);
        AbortMatching(_state.Waiting, ridPrefix, reason);
        AbortMatching(_state.Running, ridPrefix, reason);
        if (_state.Chunked is { } chunked && chunked.Rid.StartsWith(ridPrefix, StringComparison.Ordinal)) _state.Finish(chunked, reason);
    }

    public void AbortAll(string message) => Abort("", message);

    /// <summary>Ends one request at once; nothing happens if it has finished.</summary>
    public void Abort(Request request, FinishReason reason)
    {
        if (IsUnfinished(request)) _state.Finish(request, reason);
    }

    /// <summary>
    /// Ends a request whose reader found a stop string: <paramref name="outputLength"/> tokens are kept, later ones dropped. Nothing
    /// happens if it has finished.
    /// </summary>
    public void FinishAt(Request request, int outputLength, FinishReason reason)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(outputLength);
        if (!IsUnfinished(request)) return;
        request.TokenBuffer.Truncate((int)Math.Min((long)request.PromptLength + outputLength, int.MaxValue));
        _state.Finish(request, reason);
    }

    /// <summary>
    /// The next step, or null when there is nothing to compute until something is enqueued or the plan in flight is committed.
    /// Throws <see cref="InvalidOperationException"/> when two plans are uncommitted.
    /// </summary>
    public StepPlan? Plan()
    {
        if (_numOutstanding == 2) throw new InvalidOperationException("Two plans are uncommitted; commit the older one before planning a third.");
        CheckTimeouts();
        if (_state.NumAdmitted == 0)
        {
            _state.BatchIsFull = false;
            if (IsIdle) _state.Ratio.Reset();
        }
        StepPlan plan = PlanAt(_state.Totals.Steps);
        if (!_prefill.Plan(plan) && !_decode.Plan(plan)) return null;
        plan.StepId = ++_state.Totals.Steps;
        _numOutstanding++;
        return plan;
    }

    /// <summary>Takes the result of the oldest uncommitted plan: one id per entry of <see cref="StepPlan.SampleIndex"/>.</summary>
    public void Commit(StepPlan plan, ReadOnlySpan<int> sampledIds)
    {
        if (sampledIds.Length != plan.NumSamples)
            throw new ArgumentException($"Step {plan.StepId} samples {plan.NumSamples} tokens, got {sampledIds.Length}.", nameof(sampledIds));
        Retire(plan);
        ReadOnlySpan<int> sampleIndex = plan.SampleIndex;
        int sample = 0;
        for (int i = 0; i < plan.NumRequests; i++)
        {
            bool isSampled = sample < sampleIndex.Length && sampleIndex[sample] == i;
            int id = isSampled ? sampledIds[sample++] : -1;
            if (plan.IsCurrent(i)) CommitRequest(plan, i, isSampled, id);
            else if (isSampled) _state.Totals.Dropped++;
        }
    }

    /// <summary>The oldest uncommitted plan could not run: its requests end with <paramref name="reason"/> and what they held is freed.</summary>
    public void Fail(StepPlan plan, FinishReason reason)
    {
        Retire(plan);
        for (int i = 0; i < plan.NumRequests; i++)
            if (plan.IsCurrent(i)) _state.Finish(plan.Requests[i], reason);
    }

    /// <summary>Empties the prefix cache; false unless <see cref="IsIdle"/>.</summary>
    public bool TryFlushCache()
    {
        if (!IsIdle) return false;
        _state.Cache.Clear();
        _state.Ratio.Reset();
        return true;
    }

    private static bool IsUnfinished(Request request) => request.State is not (RequestState.New or RequestState.Finished);

    private StepPlan PlanAt(long step) => _plans[step % _plans.Length];

    private void Retire(StepPlan plan)
    {
        if (_numOutstanding == 0 || plan != PlanAt(_state.Totals.Steps - _numOutstanding))
            throw new InvalidOperationException($"Step {plan.StepId} is not the oldest uncommitted plan.");
        _numOutstanding--;
    }

    private void CommitRequest(StepPlan plan, int i, bool isSampled, int id)
    {
        Request request = plan.Requests[i];
        bool isPrefill = i < plan.NumPrefillRequests;
        request.CommittedKv = plan.KvLength[i];
        if (isPrefill) request.NextInputLogprob = Math.Max(request.NextInputLogprob, Math.Min(request.CommittedKv, request.PromptLength));
        if (isSampled)
        {
            request.Pending--;
            AcceptToken(request, id);
        }
        else if (request.MaxNewTokens == 0 && request.CommittedKv == request.PromptLength)
        {
            _state.Finish(request, FinishReason.Length);
        }
        if (isPrefill && request.State != RequestState.Finished) _state.Cache.CacheUnfinished(request);
    }

    private void AcceptToken(Request request, int id)
    {
        FinishReason? finish = FinishRules.Check(request, id, Options.VocabularySize, out bool keepsToken);
        if (keepsToken)
        {
            request.TokenBuffer.Append(id);
            _state.Totals.Generated++;
            if (request.OutputLength == 1) request.FirstTokenAt = _state.Now;
        }
        int eventToken = keepsToken ? id : -1;
        if (finish is { } reason) _state.Finish(request, reason, eventToken);
        else _state.Emit(request, eventToken, null);
    }

    private void AbortMatching(RequestList list, string ridPrefix, FinishReason reason)
    {
        for (Request? request = list.First; request is not null;)
        {
            Request? next = request.Next;
            if (request.Rid.StartsWith(ridPrefix, StringComparison.Ordinal)) _state.Finish(request, reason);
            request = next;
        }
    }

    private void CheckTimeouts()
    {
        if (Options.WaitingTimeout is { } waiting)
            while (_state.Waiting.First is { } oldest && _state.Since(oldest.QueuedAt) > waiting)
                _state.Finish(oldest, FinishReason.Abort("Request waiting timeout reached.", 503));
        if (Options.RunningTimeout is not { } running) return;
        for (Request? request = _state.Running.First; request is not null;)
        {
            Request? next = request.Next;
            if (_state.Since(request.AdmittedAt) > running) _state.Finish(request, FinishReason.Abort("Request running timeout reached.", 503));
            request = next;
        }
    }
}
