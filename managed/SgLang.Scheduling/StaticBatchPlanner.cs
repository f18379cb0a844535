namespace SgLang.Scheduling;

/// <summary>
/// Plans of one batch in lock step, for measuring a model without a server: all prompts in one prefill, then one token each. No queue, no
/// admission, no prefix cache; every request has pages of its own. One thread at a time.
/// <code>
/// Begin -> Extend+ -> Decode*
/// </code>
/// </summary>
public sealed class StaticBatchPlanner(int numPages, int pageSize, int maxRequests)
{
    private readonly StepPlan _plan = new(maxRequests, numPages);
    private Request[] _requests = [];
    private int _nextPage;

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
        // Page 0 is the dummy that padding writes to.
        _nextPage = 1;
    }

    /// <summary>Prompt tokens up to position <paramref name="end"/> of every request (or its prompt's end), over those in KV; each samples.</summary>
    public StepPlan Extend(int end)
    {
        _plan.Begin(StepKind.Prefill);
        _plan.StepId++;
        foreach (Request request in _requests)
        {
            int count = Math.Min(end, request.PromptLength) - request.KvLength;
            Reserve(request, request.KvLength + count);
            _plan.AddPrefill(request, count, pageSize, samples: true);
            request.KvLength += count;
            request.Pending = 1;
        }
        return _plan;
    }

    /// <summary>One more token for every request; the one before it is read where the sampler left it, on the device.</summary>
    public StepPlan Decode()
    {
        _plan.Begin(StepKind.Decode);
        _plan.StepId++;
        foreach (Request request in _requests)
        {
            Reserve(request, request.KvLength + 1);
            _plan.AddDecode(request, pageSize);
            request.KvLength++;
        }
        return _plan;
    }

    /// <summary>A page at a time, as a server would: a plan has no more pages than its tokens need.</summary>
    private void Reserve(Request request, int length)
    {
        while (request.Pages.Count * pageSize < length) request.Pages.Append(_nextPage++);
    }

    private int PagesFor(int tokens) => (tokens + pageSize - 1) / pageSize;
}
