using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// Decides what each step computes. Pure: the same calls give the same plans. One thread at a time.
/// <code>
/// TryEnqueue* -> Plan -> (run it) -> Commit or Fail -> Events, ClearEvents
/// </code>
/// With overlap the next <see cref="Plan"/> comes before the previous plan's commit; at most <see cref="SchedulerOptions.MaxUncommitted"/>
/// plans, two without a pipeline, are uncommitted, and they are committed in order. Tokens computed for a request that had ended are dropped.
/// </summary>
public sealed class Scheduler
{
    private const int MaxInitialPages = 1 << 16;

    /// <summary>A token is late when it takes this many times the request's average so far, and <see cref="_stall"/> at least.</summary>
    private const int StallRatio = 4;
    private static readonly TimeSpan s_stall = TimeSpan.FromMilliseconds(200);

    private readonly SchedulerState _state;
    private readonly DecodePlanner _decode;
    private readonly PrefillPlanner _prefill;

    // A ring of one more than may be uncommitted: the one committed last stays readable while the next is filled.
    private readonly StepPlan[] _plans;
    private int _numOutstanding;

    private readonly long _stall; // in ticks of the time provider

    /// <param name="time">For time stamps and time-outs; plans depend on it only when a time-out is set.</param>
    public Scheduler(SchedulerOptions options, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxRunningRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NumPages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PageSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxPrefillTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PrefillMaxRequests ?? 1, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NumMicroBatches, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxMicroBatchSize ?? 1, 1);
        if (options.EnablePriorityScheduling && options.Policy is not (SchedulePolicy.Fcfs or SchedulePolicy.Lof))
            throw new ArgumentOutOfRangeException(nameof(options), options.Policy, "Priority scheduling needs the fcfs or lof policy.");
        if (options.RetractionPolicy == RetractionPolicy.Priority && !options.EnablePriorityScheduling)
            throw new ArgumentOutOfRangeException(nameof(options), options.RetractionPolicy, "Retraction by priority needs priority scheduling.");
        if (options.ChunkedPrefillSize is 0 or < -1)
            throw new ArgumentOutOfRangeException(nameof(options), options.ChunkedPrefillSize, "ChunkedPrefillSize must be -1 (off) or at least 1.");
        time ??= TimeProvider.System;
        _stall = (long)(s_stall.TotalSeconds * time.TimestampFrequency);
        _state = new SchedulerState(options, time);
        _decode = new DecodePlanner(_state);
        _prefill = new PrefillPlanner(_state, _decode);
        _plans = new StepPlan[options.MaxUncommitted + 1];
        for (int i = 0; i < _plans.Length; i++) _plans[i] = new StepPlan(options.MaxRunningRequests, Math.Min(options.NumPages, MaxInitialPages));
    }

    public SchedulerOptions Options => _state.Options;

    /// <summary>Nothing waits, runs or is uncommitted.</summary>
    public bool IsIdle => _state.NumAdmitted == 0 && _state.Waiting.Count == 0 && _numOutstanding == 0;

    public bool IsPaused { get; private set; }

    /// <summary>What happened since <see cref="ClearEvents"/>, in order.</summary>
    public ReadOnlySpan<SchedulerEvent> Events => _state.Events;

    /// <summary>Why requests wait; may be read by any thread.</summary>
    public PlanLog Log => _state.Log;

    /// <summary>Tokens of a prompt's longest cached prefix; may be called by any thread. 0 where the cache changes too fast to tell.</summary>
    public int ProbePrefix(ReadOnlySpan<int> prompt, string? extraKey) => _state.Cache.Probe(prompt, extraKey);

    public SchedulerStats Stats => SchedulerStats.Of(_state) with { IsPaused = IsPaused };

    /// <summary>Told, on the scheduler's thread, after each eviction of cached prefixes how long it took.</summary>
    public Action<TimeSpan>? Evicted
    {
        get => _state.Cache.Evicted;
        set => _state.Cache.Evicted = value;
    }

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
        if ((Arrival.Settle(request, Options) ?? MakeRoom(request)) is { } reason)
        {
            refusal = reason;
            return false;
        }
        refusal = default;
        request.Sequence = _state.Totals.Accepted++;
        if (request.IsProbe) _state.Totals.Probes++;
        request.EnqueuedAt = _state.Now;
        request.Node = _state.Cache.Tree.Root;
        _state.Enqueue(request);
        return true;
    }

    /// <summary>Ends every unfinished request whose rid starts with the prefix, at once; a step in flight computes for it in vain.</summary>
    public void Abort(string ridPrefix, string message)
    {
        FinishReason reason = FinishReason.Abort(message);
        AbortMatching(_state.Waiting.First, ridPrefix, reason);
        AbortMatching(_state.Running.First, ridPrefix, reason);
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

    /// <summary>No step is planned until <see cref="Resume"/>; requests are taken, aborted and committed as ever, and no time-out of theirs is looked at.</summary>
    public void Pause() => IsPaused = true;

    public void Resume()
    {
        IsPaused = false;
        _state.BatchIsFull = false; // works out anew why requests wait: the pause was the last reason
    }

    /// <summary>Takes back the memory of everything admitted: it starts again from prompt and output, behind what waits already.</summary>
    /// <exception cref="InvalidOperationException">A plan is uncommitted: its results would be lost.</exception>
    public void SuspendAll()
    {
        if (_numOutstanding > 0) throw new InvalidOperationException($"{_numOutstanding} plans are uncommitted; commit them before suspending their requests.");
        while ((_state.Running.First ?? _state.Chunked) is { } request)
        {
            _state.Retract(request, RequestEvent.Suspended);
            request.RetractedBeforeStep = 0; // gave way to nobody
        }
    }

    /// <summary>
    /// The next step, or null when there is nothing to compute until something is enqueued or the plan in flight is committed.
    /// Throws <see cref="InvalidOperationException"/> when <see cref="SchedulerOptions.MaxUncommitted"/> plans are uncommitted.
    /// </summary>
    public StepPlan? Plan()
    {
        if (_numOutstanding == Options.MaxUncommitted)
            throw new InvalidOperationException($"{_numOutstanding} plans are uncommitted; commit the oldest before planning another.");
        if (IsPaused)
        {
            _prefill.NotePause();
            return null;
        }
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
        long now = _state.Now;
        int sample = 0;
        for (int i = 0; i < plan.NumRequests; i++)
        {
            bool isSampled = sample < sampleIndex.Length && sampleIndex[sample] == i;
            int id = isSampled ? sampledIds[sample++] : -1;
            if (plan.IsCurrent(i)) CommitRequest(plan, i, isSampled, id, now);
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

    private void CommitRequest(StepPlan plan, int i, bool isSampled, int id, long now)
    {
        Request request = plan.Requests[i];
        bool isPrefill = i < plan.NumPrefillRequests;
        request.CommittedKv = plan.KvLength[i];
        if (isPrefill) request.NextInputLogprob = Math.Max(request.NextInputLogprob, Math.Min(request.CommittedKv, request.PromptLength));
        if (isSampled)
        {
            request.Pending--;
            AcceptToken(request, id, plan.StepId, now);
        }
        else if (request.MaxNewTokens == 0 && request.CommittedKv == request.PromptLength)
        {
            _state.Finish(request, FinishReason.Length);
        }
        if (isPrefill && request.State != RequestState.Finished) _state.Cache.CacheUnfinished(request);
    }

    private void AcceptToken(Request request, int id, long step, long now)
    {
        FinishReason? finish = FinishRules.Check(request, id, Options.VocabularySize, out bool keepsToken);
        if (keepsToken)
        {
            request.TokenBuffer.Append(id);
            _state.Totals.Generated++;
            NoteToken(request, step, now);
        }
        int eventToken = keepsToken ? id : -1;
        if (finish is { } reason) _state.Finish(request, reason, eventToken);
        else _state.Emit(request, eventToken, null);
    }

    /// <summary>Keeps the times of the first token and of any that came late.</summary>
    private void NoteToken(Request request, long step, long now)
    {
        RequestTimeline? timeline = request.Timeline;
        if (request.OutputLength == 1)
        {
            request.FirstTokenAt = now;
            timeline?.Add(new TimelineEntry(RequestEvent.FirstToken, now, step, 0, 0));
        }
        else if (timeline is not null && request.LastTokenAt != 0 && now - request.LastTokenAt is var gap && gap > _stall
                 && gap > StallRatio * (request.LastTokenAt - request.FirstTokenAt) / Math.Max(1, request.OutputLength - 2))
        {
            timeline.Add(new TimelineEntry(RequestEvent.Stalled, now, step, (int)(step - request.LastTokenStep - 1), gap));
        }
        request.LastTokenAt = now;
        request.LastTokenStep = step;
        timeline?.Committed(request.OutputLength);
    }

    /// <summary>
    /// Null when there is room for one more waiting request. In a full queue a request of higher priority takes the place of the least
    /// preferred one.
    /// </summary>
    private FinishReason? MakeRoom(Request request)
    {
        if (!(_state.Waiting.Count >= Options.MaxQueuedRequests)) return null;
        if (!Options.EnablePriorityScheduling || _state.Waiting.LeastPreferred() is not { } worst || _state.Waiting.Urgency(request) >= _state.Waiting.Urgency(worst))
            return FinishReason.Abort("The request queue is full.", 503);
        _state.Finish(worst, FinishReason.Abort("The request queue is full, and a request of higher priority took this one's place.", 503));
        return null;
    }

    private void AbortMatching(Request? first, string ridPrefix, FinishReason reason)
    {
        for (Request? request = first; request is not null;)
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
