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

    /// <summary>Tokens that each row may generate.</summary>
    private int _maxOutput;
    private long _steps;

    /// <summary>Decode steps planned of this batch.</summary>
    private int _decodes;

    /// <summary>Tokens of each row in KV once its prompt and the decode steps that filled a plan anew have run.</summary>
    private readonly int[] _lengths = new int[maxRequests];

    /// <summary>Pages that the rows were given for the latest even and odd decode step, 0 for none; of no meaning where nobody was.</summary>
    private readonly int[][] _newPages = [new int[maxRequests], new int[maxRequests]];
    private readonly bool[] _hasNewPages = new bool[2];

    /// <summary>Decode steps that every row can still take within its last page.</summary>
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
        }
        _requests = batch;
        _maxOutput = maxOutput;
        _decodes = _stepsLeftInPages = 0;
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

    /// <summary>
    /// One more token for every request; the one before it is read where the sampler left it, on the device. Once both plans hold a decode step they
    /// are advanced in place: a step is then short however many pages its rows have, and the requests are not told of it.
    /// </summary>
    /// <exception cref="InvalidOperationException">The rows have all the tokens that <see cref="Begin"/> set aside pages for.</exception>
    public StepPlan Decode()
    {
        if (_decodes >= _maxOutput) throw new InvalidOperationException($"The batch was begun with {_maxOutput} tokens for each row.");
        StepPlan plan = Next();
        int parity = _decodes % _plans.Length;
        if (_decodes < _plans.Length)
        {
            plan.Begin(StepKind.Decode);
            for (int i = 0; i < _requests.Length; i++) _newPages[parity][i] = AddDecode(plan, _requests[i], i);
            _hasNewPages[parity] = true;
        }
        else
        {
            _hasNewPages[parity] = _stepsLeftInPages == 0;
            if (_hasNewPages[parity]) GivePages(_newPages[parity]);
            _stepsLeftInPages--;
            plan.AdvanceDecode(NewPages(1 - parity), NewPages(parity), pageSize);
        }
        _decodes++;
        return plan;
    }

    /// <summary>Returns the page that the row needed for it; 0: none.</summary>
    private int AddDecode(StepPlan plan, Request request, int row)
    {
        int before = _nextPage;
        Reserve(request, request.KvLength + 1);
        // Where the pages of all its tokens go, so that none of the table moves when the row is given one.
        plan.AddDecode(request, pageSize, room: PagesFor(request.PromptLength + _maxOutput) - request.Pages.Count);
        _lengths[row] = ++request.KvLength;
        return _nextPage > before ? before : 0;
    }

    /// <summary>A page to each row whose last one is full.</summary>
    private void GivePages(int[] pages)
    {
        int steps = _decodes - _plans.Length;
        _stepsLeftInPages = pageSize;
        for (int i = 0; i < _requests.Length; i++)
        {
            int used = (_lengths[i] + steps) % pageSize;
            pages[i] = used == 0 ? _nextPage++ : 0;
            _stepsLeftInPages = Math.Min(_stepsLeftInPages, pageSize - used);
        }
    }

    private ReadOnlySpan<int> NewPages(int parity) => _hasNewPages[parity] ? _newPages[parity].AsSpan(0, _requests.Length) : [];

    private StepPlan Next()
    {
        StepPlan plan = _plans[_steps++ % _plans.Length];
        plan.StepId = _steps;
        return plan;
    }

    /// <summary>A page at a time, as a server would: a row's pages are as far apart as in a server's pool.</summary>
    private void Reserve(Request request, int length)
    {
        while (request.Pages.Count * pageSize < length) request.Pages.Append(_nextPage++);
    }

    private int PagesFor(int tokens) => (tokens + pageSize - 1) / pageSize;
}
