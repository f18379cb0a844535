namespace SgLang.Scheduling.Tests;

/// <summary>
/// A deterministic stand-in for device and model. KV is simulated by slot: each slot remembers which token, at which position, after which
/// history was written there. A step reads history only through the plan's pages, so a wrong page, slot, position, token source or shared
/// prefix is noticed at once. The next token is a hash of the history.
/// </summary>
internal sealed class SimulatedModel(SchedulerOptions options, int vocabularySize = 1000, int eosId = -1, int eosEvery = 0)
{
    private readonly ulong[] _kv = new ulong[(options.NumPages + 1) * options.PageSize]; // hash of all tokens up to and including the slot's
    private readonly int[] _lastToken = new int[options.MaxRunningRequests];

    /// <summary>What was wrong with the plans so far.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Runs a step; ids in the order of SampleIndex.</summary>
    public int[] Run(StepPlan plan)
    {
        int pageSize = options.PageSize;
        for (int i = 0; i < plan.NumCopies; i++)
            Array.Copy(_kv, plan.CopySources[i] * pageSize, _kv, plan.CopyDestinations[i] * pageSize, pageSize);
        CheckShape(plan);
        var written = new HashSet<int>();
        var last = new ulong[plan.NumRequests];
        for (int i = 0; i < plan.NumRequests; i++)
        {
            ReadOnlySpan<int> pages = plan.Pages[plan.PageStart[i]..plan.PageStart[i + 1]];
            int start = plan.KvLength[i] - (plan.QueryStart[i + 1] - plan.QueryStart[i]);
            ulong history = start == 0 ? 0 : _kv[pages[(start - 1) / pageSize] * pageSize + (start - 1) % pageSize];
            for (int t = plan.QueryStart[i]; t < plan.QueryStart[i + 1]; t++)
            {
                int position = start + t - plan.QueryStart[i];
                int slot = pages[position / pageSize] * pageSize + position % pageSize;
                if (plan.Positions[t] != position) Errors.Add($"step {plan.StepId}: position {plan.Positions[t]}, expected {position}");
                if (plan.Slots[t] != slot) Errors.Add($"step {plan.StepId}: slot {plan.Slots[t]} is not that of position {position}, {slot}");
                if (!written.Add(plan.Slots[t])) Errors.Add($"step {plan.StepId}: slot {slot} is written twice");
                int source = plan.TokenSources[t];
                int token = source >= 0 ? source : _lastToken[-source - 1];
                if (source < 0 && -source - 1 != plan.Rows[i]) Errors.Add($"step {plan.StepId}: token taken from another request's row");
                history = Mix(history, token, position);
                _kv[plan.Slots[t]] = history;
            }
            last[i] = history;
        }
        var ids = new int[plan.NumSamples];
        for (int s = 0; s < ids.Length; s++)
        {
            int i = plan.SampleIndex[s];
            ids[s] = NextToken(last[i]);
            _lastToken[plan.Rows[i]] = ids[s];
        }
        return ids;
    }

    /// <summary>What a request must generate, computed from nothing but its prompt and limits.</summary>
    public int[] Expected(Request request, int maxNewTokens)
    {
        ulong history = 0;
        int position = 0;
        foreach (int token in request.PromptIds) history = Mix(history, token, position++);
        var output = new List<int>();
        while (output.Count < maxNewTokens)
        {
            int token = NextToken(history);
            output.Add(token);
            if (output.Count > request.SamplingParams.MinNewTokens && request.StopTokenIds.Contains(token)) break;
            history = Mix(history, token, position++);
        }
        return [.. output];
    }

    private int NextToken(ulong history)
    {
        ulong mixed = history * 0xD6E8FEB86659FD93;
        mixed ^= mixed >> 32;
        if (eosEvery > 0 && mixed % (ulong)eosEvery == 0) return eosId;
        return (int)(mixed / 7 % (ulong)vocabularySize);
    }

    private static ulong Mix(ulong history, int token, int position) =>
        (ulong.RotateLeft(history, 17) ^ ((ulong)(uint)token << 20) ^ (uint)position) * 0x9E3779B97F4A7C15 + 1;

    private void CheckShape(StepPlan plan)
    {
        if (plan.NumRequests == 0 || plan.NumTokens == 0) Errors.Add($"step {plan.StepId} is empty");
        if (plan.QueryStart[0] != 0 || plan.QueryStart[plan.NumRequests] != plan.NumTokens) Errors.Add($"step {plan.StepId}: query starts do not span the tokens");
        if (plan.PageStart[0] != 0 || plan.PageStart[plan.NumRequests] != plan.Pages.Length) Errors.Add($"step {plan.StepId}: page starts do not span the pages");
        var rows = new HashSet<int>();
        for (int i = 0; i < plan.NumRequests; i++)
        {
            if (!rows.Add(plan.Rows[i])) Errors.Add($"step {plan.StepId}: row {plan.Rows[i]} twice");
            int pages = plan.PageStart[i + 1] - plan.PageStart[i];
            if (pages != (plan.KvLength[i] + options.PageSize - 1) / options.PageSize) Errors.Add($"step {plan.StepId}: {pages} pages for {plan.KvLength[i]} tokens");
            int tokens = plan.QueryStart[i + 1] - plan.QueryStart[i];
            if (tokens < 1 || (i >= plan.NumPrefillRequests && tokens != 1)) Errors.Add($"step {plan.StepId}: request {i} has {tokens} tokens");
            if (plan.KvLength[i] > options.ContextLength) Errors.Add($"step {plan.StepId}: KV length {plan.KvLength[i]} beyond the context");
        }
        foreach (int page in plan.Pages)
            if (page < 1 || page > options.NumPages) Errors.Add($"step {plan.StepId}: page {page} is outside the pool");
        if (options.ChunkedPrefillSize > 0 && plan.NumPrefillTokens > options.ChunkedPrefillSize)
            Errors.Add($"step {plan.StepId}: {plan.NumPrefillTokens} prompt tokens exceed the chunk size {options.ChunkedPrefillSize}");
        if (plan.NumRequests > options.MaxRunningRequests) Errors.Add($"step {plan.StepId}: {plan.NumRequests} requests exceed {options.MaxRunningRequests}");
        bool isMixed = plan.Kind == StepKind.Mixed;
        if (isMixed != (plan.NumPrefillRequests > 0 && plan.NumPrefillRequests < plan.NumRequests)) Errors.Add($"step {plan.StepId}: kind {plan.Kind} does not fit its requests");
    }
}
