namespace SgLang.Scheduling;

/// <summary>
/// Plans of one batch in lock step, for measuring a model without a server: the prompts first, then one token each. No queue, no
/// admission, no prefix cache; every request has pages of its own. Two plans take turns, so that one can be made while the one before it
/// runs. One thread at a time.
/// <code>
/// Begin -> Extend+ -> Decode*
/// </code>
/// </summary>
public sealed class StaticBatchPlanner(int numPages, int pageSize, int maxRequests)
{
    private readonly StepPlan[] _plans = [new(maxRequests, numPages), new(maxRequests, numPages)];
    private Request[] _requests = [];
    private int _nextPage;
    private long _steps;

    /// <summary>Decode steps planned since the last prompt tokens.</summary>
    private int _decodes;

    /// <summary>Of them, those that the requests' KV lengths do not count yet: most steps touch no request.</summary>
    private int _unsettled;

    /// <summary>Steps that every request can still take within its last page.</summary>
    private int _stepsLeftInPages;

    /// <summary>Whether sequences of these lengths, a row each, fit the pool and the rows.</summary>
    public bool Fits(int batch, int lengthOfEach) => batch <= maxRequests && batch * (long)PagesFor(lengthOfEach) <= numPages;

    /// <summary>Gives each request its row and forgets the batch before, whose pages are free again.</summary>
    /// <param name="maxOutput">Tokens each may generate.</param>
    public void Begin(Request[] batch, int maxOutput)
    {
        if (!Fits(batch.Length, batch.Max(request => request.PromptLength) + maxOutput))
            throw new ArgumentException($"{batch.Length} requests of this length fit neither {maxRequests} rows nor {numPages} pages of {pageSize} tokens.", nameof(batch));
        for (int i = 0; i < batch.Length; i++)
        {
            batch[i].Row = i;
            batch[i].NextInputLogprob = batch[i].PromptLength;
            batch[i].MaxNewTokens = maxOutput;
            batch[i].Pages.Reserve(PagesFor(batch[i].PromptLength + maxOutput));
        }
        _requests = batch;
        _decodes = _unsettled = _stepsLeftInPages = 0;
        // Page 0 is the dummy that padding writes to.
        _nextPage = 1;
    }

    /// <summary>Whether every prompt has been planned up to position <paramref name="end"/> or its own end.</summary>
    public bool IsExtended(int end)
    {
        foreach (Request request in _requests)
            if (request.KvLength < Math.Min(end, request.PromptLength)) return false;
        return true;
    }

    /// <summary>
    /// Prompt tokens up to position <paramref name="end"/> of every request (or its prompt's end), over those in KV, as many as a step may
    /// have: <see cref="IsExtended"/> says whether more steps are needed. A request samples in the step that brings it there.
    /// </summary>
    public StepPlan Extend(int end, int maxTokens = int.MaxValue)
    {
        Settle();
        _decodes = _stepsLeftInPages = 0;
        StepPlan plan = Next();
        plan.Begin(StepKind.Prefill);
        foreach (Request request in _requests)
        {
            int missing = Math.Min(end, request.PromptLength) - request.KvLength;
            int count = Math.Min(missing, maxTokens - plan.NumTokens);
            if (count <= 0) continue;
            Reserve(request, request.KvLength + count);
            plan.AddPrefill(request, count, pageSize, samples: count == missing);
            request.KvLength += count;
            if (count == missing) request.Pending = 1;
        }
        return plan;
    }

    /// <summary>One more token for every request; the one before it is read where the sampler left it, on the device.</summary>
    public StepPlan Decode()
    {
        if (_stepsLeftInPages == 0) ReservePages();
        StepPlan plan = Next();
        if (_decodes < _plans.Length)
        {
            Settle();
            plan.Begin(StepKind.Decode);
            foreach (Request request in _requests) plan.AddDecode(request, pageSize);
        }
        else plan.AdvanceDecode(_plans.Length, numPages: _nextPage - 1, pageSize);
        _decodes++;
        _unsettled++;
        _stepsLeftInPages--;
        return plan;
    }

    private StepPlan Next()
    {
        StepPlan plan = _plans[_steps++ % _plans.Length];
        plan.StepId = _steps;
        return plan;
    }

    private void Settle()
    {
        if (_unsettled == 0) return;
        foreach (Request request in _requests) request.KvLength += _unsettled;
        _unsettled = 0;
    }

    private void ReservePages()
    {
        Settle();
        _stepsLeftInPages = int.MaxValue;
        foreach (Request request in _requests)
        {
            Reserve(request, request.KvLength + 1);
            _stepsLeftInPages = Math.Min(_stepsLeftInPages, request.Pages.Count * pageSize - request.KvLength);
        }
    }

    /// <summary>A page at a time, as a server would: a plan has no more pages than its tokens need.</summary>
    private void Reserve(Request request, int length)
    {
        while (request.Pages.Count * pageSize < length) request.Pages.Append(_nextPage++);
    }

    private int PagesFor(int tokens) => (tokens + pageSize - 1) / pageSize;
}
