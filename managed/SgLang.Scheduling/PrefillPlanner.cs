namespace SgLang.Scheduling;

/// <summary>
/// Admits waiting requests by budget and plans their prompts, in chunks where they are long; with mixed chunk the running requests decode
/// in the same step.
/// </summary>
internal sealed class PrefillPlanner(SchedulerState state, DecodePlanner decode)
{
    private readonly QueueOrder order = new(state);
    private Entry[] entries = new Entry[16];
    private int numEntries;

    private readonly record struct Entry(Request Request, int Count)
    {
        public bool IsLast => Request.KvLength + Count == Request.Tokens.Length;
    }

    /// <summary>
    /// 1. Skip when nothing can be admitted. 2. Make the budget. 3. Continue the chunked request. 4. Walk the waiting requests until the
    /// budget ends. 5. Take pages and fill the plan. False when there is no prompt to compute now.
    /// </summary>
    public bool Plan(StepPlan plan)
    {
        // :: Step 1
        if (state.Chunked is null && (state.BatchIsFull || state.Waiting.Count == 0)) return false;
        int rows = state.Rows.FreeCount;
        if (rows == 0)
        {
            state.BatchIsFull = true;
            if (state.Chunked is null) return false;
        }

        // :: Step 2
        SchedulerOptions options = state.Options;
        int mixedTokens = 0, mixedPages = 0;
        if (options.EnableMixedChunk) mixedTokens = CountMixed(out mixedPages);
        var budget = new AdmissionBudget(state.Cache, options.MaxPrefillTokens, options.ChunkedPrefillSize,
            mixedTokens, mixedPages * options.PageSize, RunningReserve());
        numEntries = 0;
        int cachedTokens = 0;

        // :: Step 3
        bool isOpen = state.Chunked is null || ContinueChunked(state.Chunked, ref budget, mixedPages);

        // :: Step 4
        if (isOpen && !state.BatchIsFull) cachedTokens = AdmitWaiting(ref budget, rows);
        if (numEntries == 0) return false;

        // :: Step 5
        Fill(plan, mixedTokens > 0, mixedPages);
        plan.NumCachedTokens = cachedTokens;
        state.Totals.PrefillTokens += plan.NumPrefillTokens;
        state.Totals.CacheHitRate = (double)cachedTokens / (cachedTokens + plan.NumPrefillTokens);
        Array.Clear(entries, 0, numEntries);
        return true;
    }

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
            tokens += AdmissionBudget.Clip(request.MaxNewTokens - request.PlannedOutput);
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

    private int AdmitWaiting(ref AdmissionBudget budget, int rows)
    {
        int cachedTokens = 0;
        AdmissionStatus status = AdmissionStatus.Continue;
        order.Start();
        while (status == AdmissionStatus.Continue && order.Next() is { } request)
        {
            if (rows-- == 0)
            {
                state.BatchIsFull = true;
                break;
            }
            status = TryAdmit(request, ref budget, ref cachedTokens);
        }
        if (status == AdmissionStatus.NoToken && state.NumAdmitted + numEntries > 0) state.BatchIsFull = true;
        return cachedTokens;
    }

    private AdmissionStatus TryAdmit(Request request, ref AdmissionBudget budget, ref int cachedTokens)
    {
        KvCache cache = state.Cache;
        cache.Attach(request);
        int input = request.Tokens.Length - request.KvLength;
        long need = input + AdmissionBudget.Clip(request.MaxNewTokens - request.OutputLength) + cache.PageSize;

        // Nothing else holds memory, and arrival has made sure that the prompt fits the pool: waiting would be for ever.
        bool isAlone = state.NumAdmitted == 0 && numEntries == 0;
        if (need >= budget.RemainingTotal && !isAlone) return Refuse(request, AdmissionStatus.NoToken);
        if (!budget.HasChunkLimit && numEntries > 0 && cache.RoundUp(input) >= budget.RemainingInput)
            return Refuse(request, AdmissionStatus.Other);

        int count = input;
        if (input > budget.RemainingChunk)
        {
            count = budget.RemainingChunk / cache.PageSize * cache.PageSize;
            if (count == 0 && numEntries > 0) return Refuse(request, AdmissionStatus.Other);
            if (count == 0) count = budget.RemainingChunk; // chunks smaller than a page
        }
        if (request.AdmittedAt == 0)
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

    private void Add(Request request, int count, bool isLast, ref AdmissionBudget budget)
    {
        if (numEntries == entries.Length) Array.Resize(ref entries, 2 * numEntries);
        entries[numEntries++] = new Entry(request, count);
        budget.Charge(count, isLast ? AdmissionBudget.Clip(request.MaxNewTokens - request.OutputLength) : 0);
    }

    private void Fill(StepPlan plan, bool isMixed, int mixedPages)
    {
        KvCache cache = state.Cache;
        int pages = mixedPages;
        foreach (ref readonly Entry entry in entries.AsSpan(0, numEntries))
            pages += cache.PagesMissing(entry.Request, entry.Request.KvLength + entry.Count);
        if (!cache.EnsureFree(pages))
            throw new InvalidOperationException($"Admission took on {pages} pages where {cache.AvailablePages} are available.");

        plan.Begin(isMixed ? StepKind.Mixed : StepKind.Prefill);
        foreach (ref readonly Entry entry in entries.AsSpan(0, numEntries))
        {
            Request request = entry.Request;
            bool samples = entry.IsLast && DecodePlanner.WantsToken(request);
            cache.Extend(request, request.KvLength + entry.Count);
            plan.AddPrefill(request, entry.Count, cache.PageSize, samples);
        }
        if (isMixed) decode.Append(plan);
        foreach (ref readonly Entry entry in entries.AsSpan(0, numEntries))
        {
            Request request = entry.Request;
            bool isLast = entry.IsLast;
            if (isLast && DecodePlanner.WantsToken(request)) request.Pending++;
            request.KvLength += entry.Count;
            if (!isLast)
            {
                state.Chunked = request;
                continue;
            }
            if (state.Chunked == request) state.Chunked = null;
            request.State = RequestState.Decode;
            state.Running.Append(request);
        }
    }
}
