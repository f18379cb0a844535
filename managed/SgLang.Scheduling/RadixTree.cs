using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// Prefixes whose KV is in the pool, as a radix tree over token runs. A page belongs to exactly one node, nodes hold whole pages, and keys
/// are cut to whole pages. A holder locks the node it matched before it relies on the pages; unlocked leaves are evicted in the
/// order of a policy, from their ends. Prompts of different name spaces share nothing, and the evictions are common to all.
/// </summary>
/// <remarks>
/// Children are found in one hash table of the whole tree, keyed by parent and first page of tokens. Tokens are always compared, so a
/// collision costs time, never another prompt's KV.
/// </remarks>
internal sealed class RadixTree
{
    private readonly int _pageSize;
    private readonly PagePool _pool;
    private readonly EvictionHeap _leaves;
    private RadixNode?[] _buckets;
    private long _nextId;
    private long _clock;
    private int _version; // odd while the tree changes

    /// <param name="initialBuckets">A power of two.</param>
    public RadixTree(int pageSize, PagePool pool, RadixEvictionPolicy policy = RadixEvictionPolicy.Lru, int initialBuckets = 256)
    {
        _pageSize = pageSize;
        _pool = pool;
        _leaves = new EvictionHeap(policy);
        _buckets = new RadixNode?[initialBuckets];
        Root = new RadixNode(_nextId++, null, [], []) { LockCount = 1 };
    }

    public int PageSize => _pageSize;
    public RadixNode Root { get; }

    /// <summary>Nodes without the root.</summary>
    public int NodeCount { get; private set; }
    public int LeafCount => _leaves.Count;

    /// <summary>Pages of nodes that nobody locks.</summary>
    public int EvictablePages { get; private set; }

    /// <summary>Pages of locked nodes.</summary>
    public int ProtectedPages { get; private set; }

    /// <summary>Pages that are cached for the longest prefix of <paramref name="tokens"/>, without touching anything.</summary>
    /// <param name="tokens">The prompt.</param>
    /// <param name="space">Its name space; null: the common one. Likewise everywhere.</param>
    public int CountMatch(ReadOnlySpan<int> tokens, string? space = null)
    {
        RadixNode node = Root;
        int matched = 0;
        while (FindChild(node, tokens, space) is { } child)
        {
            int common = CommonPages(child, tokens);
            matched += common;
            if (common < child.PageCount) break;
            tokens = tokens[child.Tokens.Length..];
            node = child;
        }
        return matched;
    }

    /// <summary>
    /// As <see cref="CountMatch"/>, from any thread while the tree's own goes on: what was read is right if the tree did not change meanwhile,
    /// else it is read again. False when it never stood still.
    /// </summary>
    public bool TryProbe(ReadOnlySpan<int> tokens, out int pages, string? space = null)
    {
        const int MaxTries = 16;
        for (int attempt = 0; attempt < MaxTries; attempt++)
        {
            int before = Volatile.Read(ref _version);
            if ((before & 1) == 0)
            {
                try
                {
                    pages = CountMatch(tokens, space);
                    Thread.MemoryBarrier();
                    if (Volatile.Read(ref _version) == before) return true;
                }
                // A node read half-way through its change.
                catch (Exception error) when (error is IndexOutOfRangeException or ArgumentException or NullReferenceException)
                {
                }
            }
            Thread.SpinWait(50);
        }
        pages = 0;
        return false;
    }

    /// <summary>The deepest node that the longest cached prefix of <paramref name="tokens"/> reaches into, without touching anything.</summary>
    public RadixNode DeepestMatch(ReadOnlySpan<int> tokens, string? space = null)
    {
        RadixNode node = Root;
        while (FindChild(node, tokens, space) is { } child)
        {
            node = child;
            if (CommonPages(child, tokens) < child.PageCount) break;
            tokens = tokens[child.Tokens.Length..];
        }
        return node;
    }

    /// <summary>
    /// Appends the pages of the longest cached prefix to <paramref name="pages"/> and returns the deepest node, which is split off when
    /// the match ends inside one. Lock it before using the pages.
    /// </summary>
    public RadixNode Match(ReadOnlySpan<int> tokens, ref PageList pages, string? space = null)
    {
        _clock++;
        RadixNode node = Root;
        while (FindChild(node, tokens, space) is { } child)
        {
            int common = CommonPages(child, tokens);
            if (common < child.PageCount)
            {
                node = Split(child, common);
                pages.Append(node.Pages);
                Touch(node);
                break;
            }
            node = child;
            pages.Append(node.Pages);
            Touch(node);
            tokens = tokens[node.Tokens.Length..];
        }
        return node;
    }

    /// <summary>
    /// Gives whole pages to the tree. Where the tree has the same tokens already, the caller's page is freed (from index
    /// <paramref name="firstOwned"/> on; earlier ones are the tree's) and <paramref name="pages"/> gets the tree's instead.
    /// </summary>
    /// <param name="tokens">[pages.Length * page_size]</param>
    /// <param name="priority">Of the request that brings them.</param>
    /// <returns>The node that ends the run.</returns>
    public RadixNode Insert(ReadOnlySpan<int> tokens, Span<int> pages, int firstOwned, long priority = 0, string? space = null)
    {
        _clock++;
        RadixNode node = Root;
        int done = 0; // pages
        while (done < pages.Length)
        {
            RadixNode? child = FindChild(node, tokens[(done * _pageSize)..], space);
            if (child is null) return AddLeaf(node, tokens[(done * _pageSize)..], pages[done..], priority, space);
            int common = CommonPages(child, tokens[(done * _pageSize)..]);
            if (common < child.PageCount) child = Split(child, common);
            for (int i = Math.Max(firstOwned - done, 0); i < common; i++) _pool.Free(pages[done + i]);
            child.Pages.CopyTo(pages[done..]);
            child.Priority = Math.Max(child.Priority, priority);
            Touch(child);
            done += common;
            node = child;
        }
        return node;
    }

    public void Lock(RadixNode node)
    {
        for (; node.Parent is not null; node = node.Parent)
            if (node.LockCount++ == 0)
            {
                EvictablePages -= node.PageCount;
                ProtectedPages += node.PageCount;
                if (node.HeapIndex >= 0) _leaves.Remove(node);
            }
    }

    /// <summary>Counts a request that was admitted with the pages up to a node, which is locked.</summary>
    public static void CountUse(RadixNode node)
    {
        for (; node.Parent is not null; node = node.Parent) node.Uses++;
    }

    public void Unlock(RadixNode node)
    {
        for (; node.Parent is not null; node = node.Parent)
            if (--node.LockCount == 0)
            {
                EvictablePages += node.PageCount;
                ProtectedPages -= node.PageCount;
                if (node.ChildCount == 0) _leaves.Add(node);
            }
    }

    /// <summary>
    /// Frees <paramref name="pages"/> pages, or all that are evictable when those are fewer. Of the last leaf only the end goes, so the work
    /// is bounded by the pages asked for and the beginning of a long prompt stays useful.
    /// </summary>
    /// <returns>Pages freed.</returns>
    public int Evict(int pages)
    {
        BeginChange();
        int freed = 0;
        while (freed < pages && _leaves.Count > 0)
        {
            RadixNode node = _leaves.Top;
            int count = Math.Min(pages - freed, node.PageCount);
            foreach (int page in node.Pages[^count..]) _pool.Free(page);
            freed += count;
            EvictablePages -= count;
            if (count < node.PageCount)
            {
                node.DropLast(count, _pageSize);
                break;
            }
            RadixNode parent = node.Parent!;
            _leaves.Remove(node);
            Unlink(node);
            NodeCount--;
            if (--parent.ChildCount == 0 && parent.LockCount == 0) _leaves.Add(parent);
        }
        EndChange();
        return freed;
    }

    /// <summary>Every node but the root, in no particular order.</summary>
    public IEnumerable<RadixNode> Nodes()
    {
        foreach (RadixNode? bucket in _buckets)
            for (RadixNode? node = bucket; node is not null; node = node.BucketNext)
                yield return node;
    }

    private int CommonPages(RadixNode node, ReadOnlySpan<int> tokens) =>
        node.Tokens.CommonPrefixLength(tokens) / _pageSize;

    private void Touch(RadixNode node)
    {
        node.LastAccess = _clock;
        if (node.HeapIndex >= 0) _leaves.Touched(node);
    }

    /// <summary>The upper part is a new node, so that holders of this one still hold its whole run.</summary>
    private RadixNode Split(RadixNode node, int atPage)
    {
        int atToken = atPage * _pageSize;
        BeginChange();
        Unlink(node);
        var upper = new RadixNode(_nextId++, node.Parent, node.Tokens[..atToken].ToArray(), node.Pages[..atPage].ToArray())
        {
            LockCount = node.LockCount,
            LastAccess = node.LastAccess,
            CreatedAt = node.CreatedAt,
            Uses = node.Uses,
            Priority = node.Priority,
            ChildCount = 1,
            Space = node.Space,
        };
        node.Space = null;
        node.DropFirst(atPage, _pageSize);
        node.Parent = upper;
        NodeCount++;
        Link(upper);
        Link(node);
        EndChange();
        return upper;
    }

    private RadixNode AddLeaf(RadixNode parent, ReadOnlySpan<int> tokens, ReadOnlySpan<int> pages, long priority, string? space)
    {
        BeginChange();
        if (parent.HeapIndex >= 0) _leaves.Remove(parent);
        var leaf = new RadixNode(_nextId++, parent, tokens.ToArray(), pages.ToArray()) { LastAccess = _clock, CreatedAt = _clock, Uses = 1, Priority = priority, Space = parent == Root ? space : null };
        parent.ChildCount++;
        EvictablePages += pages.Length;
        if (++NodeCount > _buckets.Length) Grow();
        Link(leaf);
        _leaves.Add(leaf);
        EndChange();
        return leaf;
    }

    private void BeginChange()
    {
        Volatile.Write(ref _version, _version + 1);
        Thread.MemoryBarrier();
    }

    private void EndChange() => Volatile.Write(ref _version, _version + 1);

    private RadixNode? FindChild(RadixNode parent, ReadOnlySpan<int> tokens, string? space)
    {
        if (tokens.Length < _pageSize) return null;
        if (parent != Root) space = null;
        ReadOnlySpan<int> firstPage = tokens[.._pageSize];
        ulong hash = Hash(parent.Id, firstPage, space);
        for (RadixNode? node = _buckets[hash & (ulong)(_buckets.Length - 1)]; node is not null; node = node.BucketNext)
            if (node.Hash == hash && node.Parent == parent && node.Space == space && node.Tokens[.._pageSize].SequenceEqual(firstPage))
                return node;
        return null;
    }

    private void Link(RadixNode node)
    {
        node.Hash = Hash(node.Parent!.Id, node.Tokens[.._pageSize], node.Space);
        ref RadixNode? bucket = ref _buckets[node.Hash & (ulong)(_buckets.Length - 1)];
        node.BucketNext = bucket;
        bucket = node;
    }

    private void Unlink(RadixNode node)
    {
        ref RadixNode? bucket = ref _buckets[node.Hash & (ulong)(_buckets.Length - 1)];
        if (bucket == node)
        {
            bucket = node.BucketNext;
        }
        else
        {
            RadixNode previous = bucket!;
            while (previous.BucketNext != node) previous = previous.BucketNext!;
            previous.BucketNext = node.BucketNext;
        }
        node.BucketNext = null;
    }

    private void Grow()
    {
        RadixNode?[] old = _buckets;
        _buckets = new RadixNode?[2 * old.Length];
        foreach (RadixNode? bucket in old)
            for (RadixNode? node = bucket; node is not null;)
            {
                RadixNode? next = node.BucketNext;
                Link(node);
                node = next;
            }
    }

    private static ulong Hash(long parent, ReadOnlySpan<int> tokens, string? space)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15; // 2^64 / golden ratio
        ulong hash = ((ulong)parent ^ (space is null ? 0 : (uint)space.GetHashCode(StringComparison.Ordinal))) * Multiplier;
        foreach (int token in tokens) hash = (ulong.RotateLeft(hash, 23) ^ (uint)token) * Multiplier;
        return hash ^ (hash >> 32);
    }
}
