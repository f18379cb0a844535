using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// What the planners share: where every accepted request is, and the moves between those places. A request is in exactly one of
/// waiting, running, and the single chunked place.
/// </summary>
internal sealed class SchedulerState(SchedulerOptions options, TimeProvider time)
{
    private SchedulerEvent[] _events = new SchedulerEvent[64];

    public SchedulerOptions Options { get; } = options;
    public KvCache Cache { get; } = new(options, time);
    public RowPool Rows { get; } = new(options.MaxRunningRequests);
    public NewTokenRatio Ratio { get; } = new(options);
    public WaitingQueue Waiting { get; } = new(options);

    /// <summary>Requests whose whole prompt is in issued steps; with micro-batches, those planned longest ago first.</summary>
    public RequestList Running { get; } = new();

    /// <summary>The one request whose prompt is partly in issued steps.</summary>
    public Request? Chunked { get; set; }

    /// <summary>Waiting requests that had been admitted before.</summary>
    public int NumRetractedWaiting { get; private set; }

    /// <summary>Admission failed for want of memory or rows; it cannot succeed before a request leaves.</summary>
    public bool BatchIsFull { get; set; }

    /// <summary>Tokens still to be computed before everything accepted decodes, as if no prefix of them were cached.</summary>
    public long NumPendingTokens => Waiting.TokenCount + (Chunked is { } chunked ? chunked.Tokens.Length - chunked.KvLength : 0);

    /// <summary>Requests that hold a row.</summary>
    public int NumAdmitted => Running.Count + (Chunked is null ? 0 : 1);
    public ReadOnlySpan<SchedulerEvent> Events => _events.AsSpan(0, EventCount);
    public int EventCount { get; private set; }
    public Counters Totals;

    /// <summary>Why requests wait.</summary>
    public PlanLog Log { get; } = new();

    /// <summary>The step that is being planned, or would be next.</summary>
    public long NextStep => Totals.Steps + 1;

    public long Now => time.GetTimestamp();

    public TimeSpan Since(long timestamp) => time.GetElapsedTime(timestamp);

    public void ClearEvents()
    {
        Array.Clear(_events, 0, EventCount);
        EventCount = 0;
    }

    public void Emit(Request request, int tokenId, FinishReason? finish)
    {
        if (EventCount == _events.Length) Array.Resize(ref _events, 2 * EventCount);
        _events[EventCount++] = new SchedulerEvent(request, tokenId, finish);
    }

    public void Enqueue(Request request)
    {
        request.State = RequestState.Queued;
        request.QueuedAt = Now;
        request.Timeline?.Queued(request.QueuedAt, Waiting.Count, Log);
        Waiting.Append(request);
    }

    /// <summary>Gives a row to a waiting request whose cached prefix is attached. The caller puts it in its new place.</summary>
    public void Admit(Request request)
    {
        Waiting.Remove(request);
        request.State = RequestState.Prefill;
        request.Row = Rows.Take();
        RadixTree.CountUse(request.Node);
        long now = Now;
        if (request.NumRetractions == 0) request.AdmittedAt = now;
        else NumRetractedWaiting--;
        request.Timeline?.Admitted(now, NextStep, request.KvLength, request.NumRetractions == 0, Log);
        int expected = request.Tokens.Length + Options.ClipNewTokens(request.MaxNewTokens - request.OutputLength);
        request.TokenBuffer.Reserve(expected);
        request.Pages.Reserve(Cache.PagesFor(expected));
    }

    /// <summary>Takes back all that a request holds and lets it start again later from its prompt and what it has generated.</summary>
    /// <param name="cause">Retracted, Preempted or Suspended.</param>
    public void Retract(Request request, RequestEvent cause)
    {
        Totals.RetractedTokens += request.KvLength;
        Totals.RetractedInputTokens += request.PromptLength;
        Totals.RetractedOutputTokens += request.OutputLength;
        request.Timeline?.Add(new TimelineEntry(cause, Now, NextStep, request.KvLength, 0));
        Leave(request, insert: false);
        request.NumRetractions++;
        request.RetractedBeforeStep = NextStep;
        request.LastTokenAt = 0;
        Totals.Retracted++;
        NumRetractedWaiting++;
        Enqueue(request);
    }

    /// <summary>Ends a request wherever it is.</summary>
    /// <param name="tokenId">The token that ends it, appended by the caller; -1 for none.</param>
    public void Finish(Request request, FinishReason reason, int tokenId = -1)
    {
        Leave(request, insert: reason.Kind != FinishKind.Abort);
        request.State = RequestState.Finished;
        request.Finish = reason;
        request.FinishedAt = Now;
        request.Timeline?.Finished(request.FinishedAt, request.OutputLength, reason, Log);
        Totals.Finished++;
        if (reason.Kind == FinishKind.Abort && !request.IsProbe) Totals.Aborted++;
        Emit(request, tokenId, reason);
    }

    private void Leave(Request request, bool insert)
    {
        if (Waiting.Contains(request))
        {
            Waiting.Remove(request);
            if (request.NumRetractions > 0) NumRetractedWaiting--;
        }
        else
        {
            request.List?.Remove(request);
        }
        if (Chunked == request) Chunked = null;
        request.Epoch++;
        request.Pending = 0;
        if (request.Row < 0) return;
        Cache.Release(request, insert);
        Rows.Return(request.Row);
        request.Row = -1;
        BatchIsFull = false;
    }

    /// <summary>Counts since the start.</summary>
    internal struct Counters
    {
        public long Steps, DecodeSteps, PrefillTokens, CachedTokens, Generated, Dropped, Accepted, Probes, Finished, Aborted, Retracted, RetractedTokens, RetractedInputTokens, RetractedOutputTokens;
        public double CacheHitRate;
    }
}
