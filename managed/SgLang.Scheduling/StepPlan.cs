namespace SgLang.Scheduling;

public enum StepKind : byte
{
    /// <summary>Prompt tokens only.</summary>
    Prefill,

    /// <summary>One token per request.</summary>
    Decode,

    /// <summary>Prompt tokens, then decoding requests as extends of length one.</summary>
    Mixed,
}

/// <summary>
/// All a model runner needs for one step, as flat arrays. Filled by <see cref="Scheduler.Plan"/>, read-only to everybody else, and reused:
/// it is valid until its <see cref="Scheduler.Commit"/> or <see cref="Scheduler.Fail"/> returns. Steps must run in the order of their
/// <see cref="StepId"/>: a page freed while a step is in flight may be given to the next plan.
/// </summary>
public sealed partial class StepPlan
{
    private Request[] _requests;
    private int[] _epochs, _rows, _queryStart, _kvLength, _pageStart, _pages, _sampleIndex, _inputLogprobStart;
    private int[] _tokenSources, _positions, _slots, _logprobTargets;
    private readonly int[] _copySources = [], _copyDestinations = [];

    /// <summary>Room to start with; all of it grows as needed.</summary>
    internal StepPlan(int numRequests, int numPages)
    {
        _requests = new Request[numRequests];
        _epochs = new int[numRequests];
        _rows = new int[numRequests];
        _queryStart = new int[numRequests + 1];
        _kvLength = new int[numRequests];
        _pageStart = new int[numRequests + 1];
        _pages = new int[numPages];
        _sampleIndex = new int[numRequests];
        _inputLogprobStart = new int[numRequests];
        _tokenSources = new int[numRequests];
        _positions = new int[numRequests];
        _slots = new int[numRequests];
        _logprobTargets = new int[numRequests];
    }

    /// <summary>Counts from 1 and up by one per plan.</summary>
    public long StepId { get; internal set; }
    public StepKind Kind { get; internal set; }
    public int NumRequests { get; internal set; }

    /// <summary>New tokens computed by this step, over all requests.</summary>
    public int NumTokens { get; internal set; }

    /// <summary>Requests that sample a token.</summary>
    public int NumSamples { get; internal set; }

    /// <summary>The first this many requests are prompts (or chunks of them); the rest decode.</summary>
    public int NumPrefillRequests { get; internal set; }

    /// <summary>How many <see cref="EndsEmbedding"/>.</summary>
    public int NumEmbeddings { get; internal set; }

    /// <summary>New prompt tokens among <see cref="NumTokens"/>.</summary>
    public int NumPrefillTokens { get; internal set; }

    /// <summary>Tokens found in the prefix cache for requests admitted by this step.</summary>
    public int NumCachedTokens { get; internal set; }
    public int NumCopies { get; internal set; }

    /// <summary>Whether any <see cref="InputLogprobStart"/> window is non-empty; <see cref="LogprobTargets"/> is filled only then.</summary>
    public bool HasInputLogprobs { get; internal set; }

    public ReadOnlySpan<Request> Requests => _requests.AsSpan(0, NumRequests);

    /// <summary>[NumRequests] slot of the request in the device's table of last sampled tokens.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, NumRequests);

    /// <summary>[NumRequests + 1] where each request's new tokens begin in the per-token arrays.</summary>
    public ReadOnlySpan<int> QueryStart => _queryStart.AsSpan(0, NumRequests + 1);

    /// <summary>[NumRequests] tokens in KV once this step has run, its own included.</summary>
    public ReadOnlySpan<int> KvLength => _kvLength.AsSpan(0, NumRequests);

    /// <summary>[NumRequests + 1] where each request's pages begin in <see cref="Pages"/>.</summary>
    public ReadOnlySpan<int> PageStart => _pageStart.AsSpan(0, NumRequests + 1);

    /// <summary>
    /// Pages of each request in order of position, ceil(kv_length / page_size) each, from its <see cref="PageStart"/> on. In plans of a static
    /// batch zeros may follow, in the place of pages that later steps will need.
    /// </summary>
    public ReadOnlySpan<int> Pages => _pages.AsSpan(0, _pageStart[NumRequests]);

    /// <summary>[NumSamples] indices, rising, of the requests that sample; a middle chunk and max_new_tokens = 0 do not.</summary>
    public ReadOnlySpan<int> SampleIndex => _sampleIndex.AsSpan(0, NumSamples);

    /// <summary>
    /// [NumRequests] first of the request's new tokens (counted from its <see cref="QueryStart"/>) whose next token is to be scored as
    /// an input log-probability; equal to its number of new tokens when there is none. The last new token of a finished prompt belongs
    /// to the window although its target is sampled, not given: its <see cref="LogprobTargets"/> is -1.
    /// </summary>
    public ReadOnlySpan<int> InputLogprobStart => _inputLogprobStart.AsSpan(0, NumRequests);

    /// <summary>[NumTokens] an id, or -(row + 1): the last token sampled for that row, which only the device knows yet.</summary>
    public ReadOnlySpan<int> TokenSources => _tokenSources.AsSpan(0, NumTokens);

    /// <summary>[NumTokens] position in the sequence, from 0.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, NumTokens);

    /// <summary>[NumTokens] page * page_size + offset where the token's KV is written.</summary>
    public ReadOnlySpan<int> Slots => _slots.AsSpan(0, NumTokens);

    /// <summary>[NumTokens] the prompt's next id, -1 where it is not known; empty without <see cref="HasInputLogprobs"/>.</summary>
    public ReadOnlySpan<int> LogprobTargets => HasInputLogprobs ? _logprobTargets.AsSpan(0, NumTokens) : [];

    /// <summary>[NumCopies] pages copied to <see cref="CopyDestinations"/> before the step runs.</summary>
    public ReadOnlySpan<int> CopySources => _copySources.AsSpan(0, NumCopies);
    public ReadOnlySpan<int> CopyDestinations => _copyDestinations.AsSpan(0, NumCopies);

    /// <summary>Whether the last of request i's new tokens is the end of a prompt whose embedding is wanted.</summary>
    public bool EndsEmbedding(int i) => _requests[i].WantsEmbedding && _kvLength[i] == _requests[i].PromptLength;

    /// <summary>
    /// Whether what this step computes for request i still counts. False once the request has finished or was retracted after planning:
    /// its token, log-probabilities included, must be dropped. Ask before <see cref="Scheduler.Commit"/>.
    /// </summary>
    public bool IsCurrent(int i) => _requests[i].Epoch == _epochs[i];
}
