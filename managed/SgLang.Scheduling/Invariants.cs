namespace SgLang.Scheduling;

/// <summary>What must hold between any two calls of a <see cref="Scheduler"/>.</summary>
public static class Invariants
{
    /// <summary>All violations; empty when the scheduler is sound. Walks everything, so call it when idle or in tests.</summary>
    public static List<string> Check(Scheduler scheduler)
    {
        var violations = new List<string>();
        SchedulerState state = scheduler.State;
        List<Request> admitted = [.. Members(state.Running.First)];
        if (state.Chunked is { } chunked) admitted.Add(chunked);
        CheckPlaces(scheduler, admitted, violations);
        CheckLengths(scheduler, admitted, violations);
        CheckPages(state, admitted, violations);
        CheckTree(state, admitted, violations);
        return violations;
    }

    /// <summary>Every accepted, unfinished request is in one place, with a row of its own exactly while admitted.</summary>
    private static void CheckPlaces(Scheduler scheduler, List<Request> admitted, List<string> violations)
    {
        SchedulerState state = scheduler.State;
        long unfinished = state.Totals.Accepted - state.Totals.Finished;
        if (unfinished != state.Waiting.Count + admitted.Count)
            violations.Add($"{unfinished} requests are unfinished but {state.Waiting.Count} wait and {admitted.Count} are admitted");
        if (Members(state.Waiting.First).Count() != state.Waiting.Count) violations.Add("the waiting list's count is wrong");
        if (Members(state.Waiting.First).Sum(request => (long)request.ListedTokens) != state.Waiting.TokenCount) violations.Add("the waiting list's token count is wrong");
        if (Members(state.Running.First).Count() != state.Running.Count) violations.Add("the running list's count is wrong");
        if (Members(state.Waiting.First).Count(request => request.NumRetractions > 0) != state.NumRetractedWaiting) violations.Add("the count of waiting requests that had begun is wrong");
        var rows = new HashSet<int>();
        foreach (Request request in Members(state.Waiting.First))
        {
            if (request.State != RequestState.Queued || !state.Waiting.Contains(request)) violations.Add($"{request.Rid} waits in state {request.State}");
            if (request.Row != -1 || request.Pages.Count != 0 || request.Pending != 0) violations.Add($"{request.Rid} waits but holds a row, pages or a pending token");
        }
        foreach (Request request in admitted)
        {
            bool isChunked = request == state.Chunked;
            if (request.State != (isChunked ? RequestState.Prefill : RequestState.Decode)) violations.Add($"{request.Rid} is admitted in state {request.State}");
            if (request.List != (isChunked ? null : state.Running)) violations.Add($"{request.Rid} is in the wrong list");
            if (request.Row < 0 || request.Row >= state.Options.MaxRunningRequests || !rows.Add(request.Row))
                violations.Add($"{request.Rid} has row {request.Row}, which is out of range or another's");
        }
        if (rows.Count + state.Rows.FreeCount != state.Options.MaxRunningRequests)
            violations.Add($"{rows.Count} rows used + {state.Rows.FreeCount} free != {state.Options.MaxRunningRequests}");
    }

    /// <summary>Tokens known, pending, planned and committed agree with each other and with the uncommitted plans.</summary>
    private static void CheckLengths(Scheduler scheduler, List<Request> admitted, List<string> violations)
    {
        SchedulerState state = scheduler.State;
        var inFlight = new Dictionary<Request, (int Tokens, int Samples)>();
        foreach (StepPlan plan in scheduler.Outstanding)
            for (int i = 0; i < plan.NumRequests; i++)
                if (plan.IsCurrent(i))
                {
                    (int tokens, int samples) = inFlight.GetValueOrDefault(plan.Requests[i]);
                    inFlight[plan.Requests[i]] = (tokens + plan.QueryStart[i + 1] - plan.QueryStart[i], samples + (plan.SampleIndex.Contains(i) ? 1 : 0));
                }
        foreach (Request request in admitted)
        {
            (int tokens, int samples) = inFlight.GetValueOrDefault(request);
            if (request.Pending != samples) violations.Add($"{request.Rid} has {request.Pending} pending tokens, plans sample {samples}");
            if (request.KvLength - request.CommittedKv != tokens)
                violations.Add($"{request.Rid} has KV {request.KvLength}, committed {request.CommittedKv}, in flight {tokens}");
            if (request.Pages.Count != state.Cache.PagesFor(request.KvLength))
                violations.Add($"{request.Rid} has {request.Pages.Count} pages for {request.KvLength} tokens");
            if (request.SharedPages * state.Cache.PageSize > request.CommittedKv)
                violations.Add($"{request.Rid} shares {request.SharedPages} pages with {request.CommittedKv} tokens committed");
            int known = request.Tokens.Length;
            if (request == state.Chunked)
            {
                if (request.KvLength >= known) violations.Add($"{request.Rid} is chunked but all of its {known} tokens are planned");
            }
            else if (request.KvLength != (request.MaxNewTokens == 0 ? known : known - 1 + request.Pending))
            {
                violations.Add($"{request.Rid} has KV {request.KvLength} with {known} tokens known and {request.Pending} pending");
            }
            if (request.PlannedOutput > request.MaxNewTokens) violations.Add($"{request.Rid} plans {request.PlannedOutput} of {request.MaxNewTokens} tokens");
        }
    }

    /// <summary>free + evictable + protected + owned = capacity, and no page is in two places.</summary>
    private static void CheckPages(SchedulerState state, List<Request> admitted, List<string> violations)
    {
        KvCache cache = state.Cache;
        var owner = new string?[cache.Pool.Capacity + 1];
        int owned = 0;
        foreach (RadixNode node in cache.Tree.Nodes())
            foreach (int page in node.Pages) Claim(page, $"node {node.Id}");
        foreach (Request request in admitted)
        {
            ReadOnlySpan<int> pages = request.Pages.Span;
            foreach (int page in pages[request.SharedPages..])
            {
                Claim(page, request.Rid);
                owned++;
            }
            int end = request.SharedPages;
            for (RadixNode node = request.Node; node.Parent is not null; node = node.Parent)
            {
                end -= node.PageCount;
                if (end < 0 || !pages.Slice(end, node.PageCount).SequenceEqual(node.Pages))
                {
                    violations.Add($"{request.Rid}'s shared pages differ from those of node {node.Id}");
                    break;
                }
            }
            if (end > 0) violations.Add($"{request.Rid} shares {end} pages more than its node's path has");
        }
        int free = cache.Pool.FreeCount, evictable = cache.Tree.EvictablePages, locked = cache.Tree.ProtectedPages;
        if (free + evictable + locked + owned != cache.Pool.Capacity)
            violations.Add($"free {free} + evictable {evictable} + protected {locked} + owned {owned} != capacity {cache.Pool.Capacity}");

        void Claim(int page, string by)
        {
            if (page < 1 || page > cache.Pool.Capacity) violations.Add($"{by} has page {page}, outside the pool");
            else if (cache.Pool.IsFree(page)) violations.Add($"page {page} of {by} is free");
            else if (owner[page] is { } other) violations.Add($"page {page} is owned by {other} and by {by}");
            else owner[page] = by;
        }
    }

    /// <summary>Locks equal their holders, totals equal their sums, and the eviction heap has exactly the unlocked leaves.</summary>
    private static void CheckTree(SchedulerState state, List<Request> admitted, List<string> violations)
    {
        RadixTree tree = state.Cache.Tree;
        var holders = new Dictionary<RadixNode, int>();
        var children = new Dictionary<RadixNode, int>();
        foreach (Request request in admitted)
            for (RadixNode node = request.Node; node.Parent is not null; node = node.Parent)
                holders[node] = holders.GetValueOrDefault(node) + 1;
        int evictable = 0, locked = 0, leaves = 0, count = 0;
        foreach (RadixNode node in tree.Nodes())
        {
            count++;
            children[node.Parent!] = children.GetValueOrDefault(node.Parent!) + 1;
            int expected = holders.GetValueOrDefault(node);
            if (node.LockCount != expected) violations.Add($"node {node.Id} has lock count {node.LockCount}, {expected} requests hold it");
            if (node.LockCount > 0) locked += node.PageCount;
            else evictable += node.PageCount;
            if (node.PageCount == 0 || node.Tokens.Length != node.PageCount * state.Cache.PageSize)
                violations.Add($"node {node.Id} has {node.Tokens.Length} tokens on {node.PageCount} pages");
            bool isEvictable = node.LockCount == 0 && node.ChildCount == 0;
            if (isEvictable != node.HeapIndex >= 0) violations.Add($"node {node.Id} is{(isEvictable ? "" : " not")} evictable but its heap index is {node.HeapIndex}");
            if (isEvictable) leaves++;
        }
        foreach (RadixNode node in tree.Nodes().Append(tree.Root))
            if (node.ChildCount != children.GetValueOrDefault(node)) violations.Add($"node {node.Id} counts {node.ChildCount} children, has {children.GetValueOrDefault(node)}");
        if (count != tree.NodeCount) violations.Add($"the tree counts {tree.NodeCount} nodes, has {count}");
        if (evictable != tree.EvictablePages || locked != tree.ProtectedPages)
            violations.Add($"the tree counts {tree.EvictablePages} evictable and {tree.ProtectedPages} protected pages, has {evictable} and {locked}");
        if (leaves != tree.LeafCount) violations.Add($"the eviction heap has {tree.LeafCount} of {leaves} unlocked leaves");
    }

    private static IEnumerable<Request> Members(Request? first)
    {
        for (Request? request = first; request is not null; request = request.Next) yield return request;
    }
}
