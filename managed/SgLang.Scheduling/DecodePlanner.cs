using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// One token for every running request, or in a pipeline for a share of them: a micro-batch, chosen so that it does not need what the steps
/// before it, on other stages still, are about to sample. When pages run out, some go back to waiting.
/// </summary>
internal sealed class DecodePlanner(SchedulerState state)
{
    private readonly Comparer<Request> _keepFirst = Comparer<Request>.Create((a, b) => CompareToKeep(state, a, b));
    private readonly Request[] _selected = new Request[state.Options.MaxRunningRequests];
    private int _numSelected;
    private Request[] _candidates = [];

    /// <summary>Whether a token after those under way may be wanted; known before their values are.</summary>
    public static bool WantsToken(Request request) => request.PlannedOutput < request.MaxNewTokens;

    /// <summary>Requests to decode now, and the pages they lack for it.</summary>
    public int Count(out int pages)
    {
        KvCache cache = state.Cache;
        Select(Wanting());
        pages = 0;
        foreach (Request request in Selected) pages += cache.PagesMissing(request, request.KvLength + 1);
        return _numSelected;
    }

    /// <summary>False when there is nothing to decode before the step in flight is committed.</summary>
    public bool Plan(StepPlan plan)
    {
        int count = Count(out int pages);
        if (count == 0) return false;
        if (state.Cache.EnsureFree(pages))
        {
            state.Ratio.Decay();
        }
        else
        {
            // Those that want no more tokens end with the step in flight; their pages are cheaper than a retraction.
            if (Wanting() < state.Running.Count) return false;
            if (!Retract(pages)) return false;
        }
        plan.Begin(StepKind.Decode);
        Append(plan);
        state.Totals.DecodeSteps++;
        return true;
    }

    /// <summary>Adds the requests counted last to a plan; their pages have been ensured.</summary>
    public void Append(StepPlan plan)
    {
        KvCache cache = state.Cache;
        foreach (Request request in Selected)
        {
            cache.Extend(request, request.KvLength + 1);
            plan.AddDecode(request, cache.PageSize);
            request.KvLength++;
            request.Pending++;
            request.PlannedStep = state.NextStep;
            if (state.Options.NumMicroBatches == 1) continue;
            state.Running.Remove(request);
            state.Running.Append(request);
        }
        Select(0);
    }

    private ReadOnlySpan<Request> Selected => _selected.AsSpan(0, _numSelected);

    private int Wanting()
    {
        int count = 0;
        for (Request? request = state.Running.First; request is not null; request = request.Next)
            if (WantsToken(request)) count++;
        return count;
    }

    /// <summary>
    /// An even share of the requests that want a token, those planned longest ago first. Whoever was planned within as many steps as there
    /// are micro-batches is under way in the pipeline: the step would wait for it, so it is taken only where nobody else is left, and with
    /// none but those of the same step.
    /// </summary>
    private void Select(int wanting)
    {
        Array.Clear(_selected, 0, _numSelected);
        _numSelected = 0;
        SchedulerOptions options = state.Options;
        int share = (wanting + options.NumMicroBatches - 1) / options.NumMicroBatches;
        int limit = Math.Min(share, options.MaxMicroBatchSize ?? share), mostPending = options.PlansAhead ? 1 : 0;
        long settled = state.NextStep - options.NumMicroBatches;
        for (Request? request = state.Running.First; request is not null && _numSelected < limit; request = request.Next)
        {
            if (!WantsToken(request) || request.Pending > mostPending) continue;
            if (_numSelected > 0 && request.PlannedStep > settled && request.PlannedStep != _selected[0].PlannedStep) break;
            _selected[_numSelected++] = request;
        }
    }

    /// <summary>
    /// Sends requests back to waiting until the others can decode: fewest generated tokens first, then longest prompt, always keeping one.
    /// A half-computed prompt goes last, since it would be the first to be planned again.
    /// </summary>
    private bool Retract(int pages)
    {
        KvCache cache = state.Cache;
        int count = Collect();
        Array.Sort(_candidates, 0, count, _keepFirst);
        while (!cache.EnsureFree(pages) && count > 0)
        {
            if (count > 1)
            {
                Request victim = _candidates[--count];
                state.Retract(victim, RequestEvent.Retracted);
                Count(out pages);
            }
            else if (state.Chunked is { } chunked)
            {
                state.Retract(chunked, RequestEvent.Retracted);
            }
            else
            {
                count = 0;
                Select(0);
                state.Finish(_candidates[0], FinishReason.Abort(
                    "Out of memory even after retracting all other requests; raise --mem-fraction-static or --max-total-tokens, "
                    + $"which is {cache.Pool.Capacity * cache.PageSize} now.", 500));
            }
        }
        long generated = 0, maxNewTokens = 0;
        foreach (Request survivor in _candidates.AsSpan(0, count))
        {
            generated += survivor.PlannedOutput;
            maxNewTokens += survivor.MaxNewTokens;
        }
        Array.Clear(_candidates);
        if (_numSelected == 0) return false;
        state.Ratio.Raise(generated, count, maxNewTokens);
        int reserve = cache.PagesFor(count * state.Options.RetractDecodeSteps);
        cache.EnsureFree(Math.Min(pages + reserve, cache.AvailablePages));
        return true;
    }

    private static int CompareToKeep(SchedulerState state, Request a, Request b)
    {
        if (state.Options.RetractionPolicy == RetractionPolicy.Priority && state.Waiting.Urgency(a).CompareTo(state.Waiting.Urgency(b)) is var order and not 0) return order;
        return a.PlannedOutput != b.PlannedOutput ? b.PlannedOutput.CompareTo(a.PlannedOutput)
            : a.PromptLength != b.PromptLength ? a.PromptLength.CompareTo(b.PromptLength)
            : a.Sequence.CompareTo(b.Sequence);
    }

    private int Collect()
    {
        if (_candidates.Length < state.Running.Count) _candidates = new Request[state.Options.MaxRunningRequests];
        int count = 0;
        for (Request? request = state.Running.First; request is not null; request = request.Next) _candidates[count++] = request;
        return count;
    }
}
