using System.Diagnostics.CodeAnalysis;

namespace SgLang.Scheduling;

/// <summary>
/// Who owns which KV page: the free pool, the prefix tree, or one request. A request's first <see cref="Request.SharedPages"/> pages are
/// the tree's, locked through its node; the others are its own. Every page is in exactly one of the three.
/// </summary>
internal sealed class KvCache
{
    private readonly SchedulerOptions _options;
    private readonly bool _disableRadixCache;
    private readonly TimeProvider _time;

    public KvCache(SchedulerOptions options, TimeProvider? time = null)
    {
        _options = options;
        _disableRadixCache = options.DisableRadixCache;
        _time = time ?? TimeProvider.System;
        Reset(options.NumPages);
    }

    public int PageSize => _options.PageSize;
    public PagePool Pool { get; private set; }
    public RadixTree Tree { get; private set; }
    public long EvictedPages { get; private set; }

    /// <summary>Told after each eviction how long it took.</summary>
    public Action<TimeSpan>? Evicted { get; set; }

    /// <summary>Pages that are free or can be made free.</summary>
    public int AvailablePages => Pool.FreeCount + Tree.EvictablePages;
    public int AvailableTokens => AvailablePages * PageSize;

    /// <summary>Forgets every cached prefix; only while no request holds pages.</summary>
    public void Clear() => Reset(Pool.Capacity);

    /// <summary>Pages for this many tokens, rounded up.</summary>
    public int PagesFor(int tokens) => (tokens + PageSize - 1) / PageSize;

    public int RoundUp(int tokens) => PagesFor(tokens) * PageSize;

    /// <summary>Cached tokens a request would start with.</summary>
    public int CountMatch(Request request) => _disableRadixCache ? 0 : Tree.CountMatch(request.Tokens[..request.MaxPrefixLength], request.ExtraKey) * PageSize;

    /// <summary>Cached tokens that a prompt would start with; for any thread.</summary>
    public int Probe(ReadOnlySpan<int> prompt, string? extraKey) =>
        !_disableRadixCache && prompt.Length > 1 && Tree.TryProbe(prompt[..^1], out int pages, extraKey) ? pages * PageSize : 0;

    /// <summary>The node of the prefix tree that a request's cached prefix ends in.</summary>
    public RadixNode DeepestMatch(Request request) => Tree.DeepestMatch(request.Tokens[..request.MaxPrefixLength], request.ExtraKey);

    /// <summary>Gives the request its cached prefix and locks it.</summary>
    public void Attach(Request request)
    {
        request.Pages.Clear();
        request.Node = _disableRadixCache ? Tree.Root : Tree.Match(request.Tokens[..request.MaxPrefixLength], ref request.Pages, request.ExtraKey);
        Tree.Lock(request.Node);
        request.SharedPages = request.Pages.Count;
        request.KvLength = request.CommittedKv = request.SharedPages * PageSize;
    }

    /// <summary>Evicts until <paramref name="pages"/> are free; false when fewer are available, and then nothing is evicted.</summary>
    public bool EnsureFree(int pages)
    {
        if (pages > AvailablePages) return false;
        if (pages > Pool.FreeCount) Evict(pages - Pool.FreeCount);
        return true;
    }

    /// <summary>Pages the request lacks to hold <paramref name="length"/> tokens.</summary>
    public int PagesMissing(Request request, int length) => Math.Max(0, PagesFor(length) - request.Pages.Count);

    /// <summary>Takes free pages until the request can hold <paramref name="length"/> tokens; the caller has ensured that they are free.</summary>
    public void Extend(Request request, int length)
    {
        for (int missing = PagesMissing(request, length); missing > 0; missing--) request.Pages.Append(Pool.Allocate());
    }

    /// <summary>
    /// Shares the committed whole pages of a request that goes on. Pages that the tree has already are swapped for the tree's: a step in
    /// flight may still read the old ones, which is safe because the next plan that could write them runs after it.
    /// </summary>
    public void CacheUnfinished(Request request)
    {
        if (_disableRadixCache) return;
        RadixNode previous = request.Node;
        request.Node = Insert(request, request.CommittedKv);
        Tree.Lock(request.Node);
        Tree.Unlock(previous);
    }

    /// <summary>Takes everything from a request that ends, sharing its committed whole pages first if <paramref name="insert"/>.</summary>
    public void Release(Request request, bool insert)
    {
        RadixNode locked = request.Node;
        if (insert && !_disableRadixCache) Insert(request, Math.Min(request.CommittedKv, request.Tokens.Length));
        foreach (int page in request.Pages.Span[request.SharedPages..]) Pool.Free(page);
        Tree.Unlock(locked);
        request.Pages.Clear();
        request.SharedPages = request.KvLength = request.CommittedKv = 0;
        request.Node = Tree.Root;
    }

    private void Evict(int pages)
    {
        long began = _time.GetTimestamp();
        EvictedPages += Tree.Evict(pages);
        Evicted?.Invoke(_time.GetElapsedTime(began));
    }

    private RadixNode Insert(Request request, int length)
    {
        // A stop string may have cut the output to less than what is shared already.
        int pages = Math.Max(length / PageSize, request.SharedPages);
        RadixNode node = length / PageSize < request.SharedPages
            ? request.Node
            : Tree.Insert(request.Tokens[..(pages * PageSize)], request.Pages.Span[..pages], request.SharedPages, PriorityOf(request), request.ExtraKey);
        request.SharedPages = pages;
        return node;
    }

    /// <summary>Higher stays longer under the eviction policy of that name, with priority scheduling or without.</summary>
    private long PriorityOf(Request request)
    {
        long priority = request.Priority ?? _options.DefaultPriority ?? 0;
        return _options.LowPriorityValuesFirst ? -priority : priority;
    }

    [MemberNotNull(nameof(Pool), nameof(Tree))]
    private void Reset(int numPages)
    {
        Pool = new PagePool(numPages);
        Tree = new RadixTree(PageSize, Pool, _options.EvictionPolicy);
    }
}
