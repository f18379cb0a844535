namespace SgLang.Scheduling;

/// <summary>
/// Admits waiting requests by budget and plans their prompts, in chunks where they are long; with mixed chunk the running requests decode
/// in the same step.
/// </summary>
internal sealed class PrefillPlanner(SchedulerState state, DecodePlanner decode)
{
    private readonly QueueOrder _order = new(state);
    private readonly IgnoreEosForecast _forecast = new(state);
    private readonly PriorityPreemption _preemption = new(state);

    // Requests of the plan being made and how many tokens of each it computes.
    private Request[] _requests = new Request[16];
    private int[] _counts = new int[16];
    private int _numEntries;

    /// <summary>
    /// 1. Skip when nothing can be admitted. 2. Make the budget. 3. Continue the chunked request. 4. Walk the waiting requests until the
    /// budget ends. 5. Take pages and fill the plan. False when there is no prompt to compute now.
    /// </summary>
    public bool Plan(StepPlan plan)
    {
        // :: Step 1
        if (state.Chunked is null && state.Waiting.Count == 0) return false;
        bool wasFull = state.BatchIsFull;
        state.BatchIsFull |= state.Rows.FreeCount == 0;
        bool isFull = state.BatchIsFull && !_preemption.IsPossible();
        if (isFull && wasFull)
        {
            if (state.Waiting.Count > 0) state.Log.Repeat(state.NextStep, state.Now);
            if (state.Chunked is null) return false;
        }

        // :: Step 2
        SchedulerOptions options = state.Options;
        int mixedTokens = 0, mixedPages = 0;
        if (options.EnableMixedChunk) mixedTokens = CountMixed(out mixedPages);
        var budget = new AdmissionBudget(state.Cache, options.MaxPrefillTokens, options.ChunkedPrefillSize,
            mixedTokens, mixedPages * options.PageSize, RunningReserve());
        _forecast.Start();
        _numEntries = 0;
        int cachedTokens = 0;

        // :: Step 3
        bool isOpen = state.Chunked is null || ContinueChunked(state.Chunked, ref budget, mixedPages);

        // :: Step 4
        long retracted = state.Totals.Retracted;
        if (isOpen && !isFull) cachedTokens = AdmitWaiting(ref budget);
        else if (!wasFull) Note(isFull ? WaitCause.NoRow : WaitCause.ChunkedPrompt, budget, 0);
        if (_numEntries == 0) return false;

        // :: Step 5
        if (mixedTokens > 0 && state.Totals.Retracted != retracted) mixedTokens = decode.Count(out mixedPages);
        Fill(plan, mixedTokens > 0, mixedPages);
        plan.NumCachedTokens = cachedTokens;
        state.Totals.PrefillTokens += plan.NumPrefillTokens;
        state.Totals.CacheHitRate = (double)cachedTokens / (cachedTokens + plan.NumPrefillTokens);
        Array.Clear(_requests, 0, _numEntries);
        return true;
    }

    /// <summary>Keeps that a pause leaves requests waiting.</summary>
    public void NotePause() =>
        Note(WaitCause.Paused, new AdmissionBudget(state.Cache, state.Options.MaxPrefillTokens, state.Options.ChunkedPrefillSize, 0, 0, RunningReserve()), 0);

    /// <summary>Requests to decode beside the prompts; none when they would leave no room for a prompt or lack pages.</summary>
    private int CountMixed(out int pages)
    {
        int count = decode.Count(out pages);
        int chunk = state.Options.ChunkedPrefillSize;
        if ((chunk < 0 || count < chunk) && pages <= state.Cache.AvailablePages) return count;
        pages = 0;
        return 0;
    }

    private double RunningReserve()
    {
        long tokens = 0;
        for (Request? request = state.Running.First; request is not null; request = request.Next)
            tokens += state.Options.ClipNewTokens(request.MaxNewTokens - request.PlannedOutput);
        return tokens * state.Ratio.Value;
    }

    /// <summary>
    /// Always goes on, else it would hold its pages for nothing; only pages that cannot be had at all stop it.
    /// Returns whether others may be admitted beside it.
    /// </summary>
    private bool ContinueChunked(Request request, ref AdmissionBudget budget, int mixedPages)
    {
        KvCache cache = state.Cache;
        int remaining = request.Tokens.Length - request.KvLength;
        long limit = Math.Min(budget.RemainingChunk, budget.RemainingTotal);
        if (limit <= 0) limit = budget.RemainingChunk;
        long room = (request.Pages.Count + cache.AvailablePages - mixedPages) * (long)cache.PageSize - request.KvLength;
        int count = (int)Math.Min(Math.Min(limit, room), remaining);
        if (count <= 0) return false;
        bool isLast = count == remaining;
        Add(request, count, isLast, ref budget);
        return isLast && budget.Status == AdmissionStatus.Continue;
    }

    private int AdmitWaiting(ref AdmissionBudget budget)
    {
        int cachedTokens = 0, admitted = 0;
        AdmissionStatus status = AdmissionStatus.Continue;
        _order.Start();
        while (status == AdmissionStatus.Continue && _order.Next() is { } request)
        {
            if (admitted >= state.Options.PrefillMaxRequests || admitted >= state.Options.MaxMicroBatchSize)
            {
                Note(WaitCause.StepRequests, budget, admitted, request);
                return cachedTokens;
            }
            if (request.RetractedBeforeStep == state.NextStep)
            {
                Note(WaitCause.JustRetracted, budget, admitted, request);
                return cachedTokens;
            }
            if (state.Rows.FreeCount == 0 && !_preemption.TryFreeRow(request, ref budget))
            {
                state.BatchIsFull = true;
                Note(WaitCause.NoRow, budget, admitted, request);
                return cachedTokens;
            }
            int before = _numEntries;
            status = TryAdmit(request, ref budget, ref cachedTokens, out long needed);
            admitted += _numEntries - before;
            if (status != AdmissionStatus.Continue)
                Note(status == AdmissionStatus.NoToken ? WaitCause.NoMemory : WaitCause.StepTokens, budget, admitted, _numEntries == before ? request : null, needed);
        }
        if (status == AdmissionStatus.NoToken && state.NumAdmitted + _numEntries > 0) state.BatchIsFull = true;
        return cachedTokens;
    }

    /// <summary>Keeps why the walk ended, for those it left waiting.</summary>
    private void Note(WaitCause cause, in AdmissionBudget budget, int admitted, Request? head = null, long needed = 0)
    {
        if (state.Waiting.Count == 0) return;
        KvCache cache = state.Cache;
        state.Log.Add(new PlanDecision
        {
            Cause = cause,
            FirstStep = state.NextStep,
            FirstTime = state.Now,
            Head = head?.Rid,
            NeededTokens = needed,
            Admitted = admitted,
            RemainingTotal = budget.RemainingTotal,
            RemainingCurrent = budget.RemainingCurrent,
            RemainingInput = budget.RemainingInput,
            RemainingChunk = budget.HasChunkLimit ? budget.RemainingChunk : null,
            FreeTokens = cache.Pool.FreeCount * cache.PageSize,
            EvictableTokens = cache.Tree.EvictablePages * cache.PageSize,
            FreeRows = state.Rows.FreeCount,
            Running = state.Running.Count,
            Waiting = state.Waiting.Count,
            NewTokenRatio = state.Ratio.Value,
        });
    }

    private AdmissionStatus TryAdmit(Request request, ref AdmissionBudget budget, ref int cachedTokens, out long needed)
    {
        KvCache cache = state.Cache;
        cache.Attach(request);
        int input = request.Tokens.Length - request.KvLength;
        needed = input + state.Options.ClipNewTokens(request.MaxNewTokens - request.OutputLength) + cache.PageSize;

        // Nothing else holds memory, and arrival has made sure that the prompt fits the pool: waiting would be for ever.
        bool isAlone = state.NumAdmitted == 0 && _numEntries == 0;
        if (!isAlone && !HasMemory(request, input, needed, budget) && !TryPreempt(request, input, needed, ref budget))
            return Refuse(request, AdmissionStatus.NoToken);
        if (!budget.HasChunkLimit && _numEntries > 0 && cache.RoundUp(input) >= budget.RemainingInput)
            return Refuse(request, AdmissionStatus.Other);

        int count = input;
        if (input > budget.RemainingChunk)
        {
            count = budget.RemainingChunk / cache.PageSize * cache.PageSize;
            if (count == 0 && _numEntries > 0) return Refuse(request, AdmissionStatus.Other);
            if (count == 0) count = budget.RemainingChunk; // chunks smaller than a page
        }
        if (request.NumRetractions == 0)
        {
            request.CachedTokens = request.KvLength;
            state.Totals.CachedTokens += request.KvLength;
        }
        cachedTokens += request.KvLength;
        state.Admit(request);
        Add(request, count, count == input, ref budget);

        // Rounding may leave some of the chunk, but there is one place for a half-computed prompt.
        return count < input && budget.Status == AdmissionStatus.Continue ? AdmissionStatus.Other : budget.Status;
    }

    private AdmissionStatus Refuse(Request request, AdmissionStatus status)
    {
        state.Cache.Release(request, insert: false);
        return status;
    }

    /// <summary>Whether the prompt and what the request is expected to generate fit beside all others.</summary>
    private bool HasMemory(Request request, int input, long needed, in AdmissionBudget budget)
    {
        KvCache cache = state.Cache;
        if (!state.Options.DisableRadixCache || !request.SamplingParams.IgnoreEos) return needed < budget.RemainingTotal;
        int rounded = cache.RoundUp(input);
        return rounded <= budget.RemainingTotal && _forecast.Fits(request, budget.RemainingCurrent - rounded, _requests.AsSpan(0, _numEntries));
    }

    private bool TryPreempt(Request request, int input, long needed, ref AdmissionBudget budget)
    {
        if (!_preemption.TryRegain(request, needed - budget.RemainingTotal + 1, ref budget)) return false;
        _forecast.Start();
        return HasMemory(request, input, needed, budget);
    }

    private void Add(Request request, int count, bool isLast, ref AdmissionBudget budget)
    {
        if (_numEntries == _requests.Length)
        {
            Array.Resize(ref _requests, 2 * _numEntries);
            Array.Resize(ref _counts, 2 * _numEntries);
        }
        _requests[_numEntries] = request;
        _counts[_numEntries++] = count;
        _forecast.Admitted(request);
        budget.Charge(count, isLast ? state.Options.ClipNewTokens(request.MaxNewTokens - request.OutputLength) : 0);
    }

    private void Fill(StepPlan plan, bool isMixed, int mixedPages)
    {
        KvCache cache = state.Cache;
        int pages = mixedPages;
        for (int i = 0; i < _numEntries; i++) pages += cache.PagesMissing(_requests[i], _requests[i].KvLength + _counts[i]);
        if (!cache.EnsureFree(pages))
            throw new InvalidOperationException($"Admission took on {pages} pages where {cache.AvailablePages} are available.");

        plan.Begin(isMixed ? StepKind.Mixed : StepKind.Prefill);
        for (int i = 0; i < _numEntries; i++)
        {
            Request request = _requests[i];
            bool samples = IsLast(request, _counts[i]) && DecodePlanner.WantsToken(request);
            cache.Extend(request, request.KvLength + _counts[i]);
            plan.AddPrefill(request, _counts[i], cache.PageSize, samples);
        }
        if (isMixed) decode.Append(plan);
        for (int i = 0; i < _numEntries; i++) Place(_requests[i], _counts[i]);
    }

    /// <summary>Advances a request by what the plan computes of it and puts it where it now belongs.</summary>
    private void Place(Request request, int count)
    {
        bool isLast = IsLast(request, count);
        request.KvLength += count;
        request.Timeline?.Add(new TimelineEntry(RequestEvent.Prefill, state.Now, state.NextStep, count, 0));
        if (!isLast)
        {
            state.Chunked = request;
            return;
        }
        if (DecodePlanner.WantsToken(request)) request.Pending++;
        if (state.Chunked == request) state.Chunked = null;
        request.State = RequestState.Decode;
        request.PlannedStep = state.NextStep;
        state.Running.Append(request);
    }

    private static bool IsLast(Request request, int count) => request.KvLength + count == request.Tokens.Length;
}
