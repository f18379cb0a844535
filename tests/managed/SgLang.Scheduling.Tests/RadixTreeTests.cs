using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class RadixTreeTests
{
    private readonly PagePool _pool = new(1000);

    [Fact]
    public void Sequences_part_where_their_tokens_differ()
    {
        var tree = new RadixTree(1, _pool);
        Assert.Equal(0, Insert(tree, [1, 2, 3, 4]).AlreadyThere);
        Assert.Equal(2, Insert(tree, [1, 2, 5]).AlreadyThere);
        Assert.Equal(["1,2", "3,4", "5"], Runs(tree));

        var pages = new PageList();
        RadixNode node = tree.Match([1, 2, 3, 9], ref pages);
        Assert.Equal(3, pages.Count);
        Assert.Equal([3], node.Tokens);
        Assert.Equal(["1,2", "3", "4", "5"], Runs(tree));
    }

    [Fact]
    public void Prompts_of_different_name_spaces_share_nothing()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        int pageSize = random.Next(1, 4);
        var tree = new RadixTree(pageSize, _pool, initialBuckets: 1);
        string?[] spaces = [null, "a", "b"];
        var inserted = spaces.ToDictionary(space => space ?? "", _ => new List<int[]>());
        for (int round = 0; round < 100; round++)
        {
            string? space = spaces[random.Next(spaces.Length)];
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, 4) * pageSize).Select(_ => random.Next(2))];
            int expected = inserted[space ?? ""].Select(other => Math.Min(other.AsSpan().CommonPrefixLength(tokens), tokens.Length) / pageSize).DefaultIfEmpty(0).Max();
            Assert.True(expected == tree.CountMatch(tokens, space), $"seed {seed}, round {round}");
            Assert.True(tree.TryProbe(tokens, out int probed, space) && probed == expected, $"seed {seed}, round {round}");
            var matched = new PageList();
            tree.Match(tokens, ref matched, space);
            Assert.True(expected == matched.Count, $"seed {seed}, round {round}");
            int[] pages = [.. matched.Span, .. Enumerable.Range(0, (tokens.Length / pageSize) - expected).Select(_ => _pool.Allocate())];
            tree.Insert(tokens, pages, expected, space: space);
            inserted[space ?? ""].Add(tokens);
        }
        Assert.All(tree.Nodes(), node => Assert.True(node.Space is null || node.Parent == tree.Root));
        Assert.Equal(_pool.Capacity - _pool.FreeCount, tree.EvictablePages);
        tree.Evict(int.MaxValue);
        Assert.Equal((_pool.Capacity, 0), (_pool.FreeCount, tree.NodeCount));
    }

    /// <summary>A prompt that stays cached is found whole, whatever is split, added and evicted beside it, and a foreign one never.</summary>
    [Fact]
    public void Another_thread_reads_matches_that_are_right_while_the_tree_changes()
    {
        var tree = new RadixTree(1, _pool);
        int[] kept = [1, 2, 3, 4, 5, 6, 7, 8];
        Insert(tree, kept);
        var pages = new PageList();
        tree.Lock(tree.Match(kept, ref pages));
        bool isDone = false;
        int probes = 0;
        var wrong = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var reader = new Thread(() =>
        {
            while (!Volatile.Read(ref isDone))
            {
                if (tree.TryProbe(kept, out int found) && found != kept.Length) wrong.Enqueue(found);
                if (tree.TryProbe([9, 9, 9], out found) && found != 0) wrong.Enqueue(-found);
                Interlocked.Increment(ref probes);
            }
        });
        reader.Start();
        var random = new Random(5);
        while (Volatile.Read(ref probes) < 20_000)
        {
            int shared = random.Next(kept.Length);
            Insert(tree, [.. kept[..shared], .. Enumerable.Range(0, 6).Select(_ => random.Next(10, 60))]);
            if (_pool.FreeCount < 200) tree.Evict(random.Next(1, 300));
        }
        Volatile.Write(ref isDone, true);
        reader.Join();
        Assert.Empty(wrong);
        Assert.True(tree.TryProbe(kept, out int last));
        Assert.Equal(kept.Length, last);
    }

    [Fact]
    public void Keys_are_cut_to_whole_pages()
    {
        var tree = new RadixTree(2, _pool);
        Insert(tree, [1, 2, 3, 4, 5]);
        Assert.Equal(["1,2,3,4"], Runs(tree));
        var pages = new PageList();
        tree.Match([1, 2, 3, 9], ref pages);
        Assert.Equal(1, pages.Count); // 2 tokens
        Assert.Equal(1, tree.CountMatch([1, 2, 3, 9]));
        Assert.Equal(0, tree.CountMatch([1]));
    }

    [Fact]
    public void Inserting_what_is_there_frees_the_callers_pages_and_gives_the_trees()
    {
        var tree = new RadixTree(1, _pool);
        int[] first = Insert(tree, [1, 2, 3]).Pages;
        int before = _pool.FreeCount;
        int[] second = Insert(tree, [1, 2, 3, 4]).Pages;
        Assert.Equal(first, second[..3]);
        Assert.Equal(before - 1, _pool.FreeCount);
        Assert.Equal(4, tree.EvictablePages);
    }

    [Fact]
    public void Pages_before_the_first_owned_are_not_freed()
    {
        var tree = new RadixTree(1, _pool);
        int[] pages = [.. Insert(tree, [1, 2]).Pages, _pool.Allocate()];
        int before = _pool.FreeCount;
        tree.Insert([1, 2, 3], pages, firstOwned: 2);
        Assert.Equal(before, _pool.FreeCount);
    }

    [Fact]
    public void Locking_protects_the_whole_path()
    {
        var tree = new RadixTree(1, _pool);
        Insert(tree, [1, 2, 3, 4]);
        RadixNode branch = Insert(tree, [1, 2, 5]).Node;
        tree.Lock(branch);
        Assert.Equal((2, 3), (tree.EvictablePages, tree.ProtectedPages));
        Assert.Equal(2, tree.Evict(100));
        Assert.Equal(["1,2", "5"], Runs(tree));
        tree.Unlock(branch);
        Assert.Equal((3, 0), (tree.EvictablePages, tree.ProtectedPages));
        Assert.Equal(3, tree.Evict(100));
        Assert.Equal(_pool.Capacity, _pool.FreeCount);
    }

    [Fact]
    public void A_split_keeps_the_lock_on_both_parts()
    {
        var tree = new RadixTree(1, _pool);
        RadixNode node = Insert(tree, [1, 2, 3, 4]).Node;
        tree.Lock(node);
        Insert(tree, [1, 2, 9]);
        Assert.Equal((1, 4), (tree.EvictablePages, tree.ProtectedPages));
        tree.Unlock(node);
        Assert.Equal((5, 0), (tree.EvictablePages, tree.ProtectedPages));
    }

    [Fact]
    public void The_least_recently_used_leaf_goes_first()
    {
        var tree = new RadixTree(1, _pool);
        Insert(tree, [1, 1]);
        Insert(tree, [2, 2]);
        Insert(tree, [3, 3]);
        var pages = new PageList();
        tree.Match([1, 1], ref pages);
        Assert.Equal(2, tree.Evict(2));
        Assert.Equal(["1,1", "3,3"], Runs(tree));
    }

    [Fact]
    public void A_parent_becomes_evictable_when_its_last_child_is_gone()
    {
        var tree = new RadixTree(1, _pool);
        Insert(tree, [1, 2, 3]);
        Insert(tree, [1, 2, 4]);
        Assert.Equal(1, tree.Evict(1));
        Assert.Equal(["1,2", "4"], Runs(tree));
        Assert.Equal(3, tree.Evict(3)); // 4, then 1,2
        Assert.Empty(Runs(tree));
    }

    [Fact]
    public void A_long_leaf_loses_only_its_end()
    {
        var tree = new RadixTree(2, _pool);
        Insert(tree, [1, 2, 3, 4, 5, 6, 7, 8]);
        for (int left = 3; left > 0; left--)
        {
            int free = _pool.FreeCount;
            Assert.Equal(1, tree.Evict(1));
            Assert.Equal(free + 1, _pool.FreeCount);
            Assert.Equal(left, tree.CountMatch([1, 2, 3, 4, 5, 6, 7, 8]));
            Assert.Equal(left, tree.EvictablePages);
        }
        Insert(tree, [1, 2, 3, 4]); // grows again below what is left
        Assert.Equal(2, tree.CountMatch([1, 2, 3, 4]));
        Assert.Equal(2, tree.Evict(100));
        Assert.Empty(Runs(tree));
        Assert.Equal(_pool.Capacity, _pool.FreeCount);
    }

    /// <summary>a and c are old, b and d new; a and b have been used again; d and c were inserted with the better priority.</summary>
    [Theory]
    [InlineData(RadixEvictionPolicy.Lru, "c d a b")]
    [InlineData(RadixEvictionPolicy.Lfu, "c d b a")]
    [InlineData(RadixEvictionPolicy.Slru, "c d a b")]
    [InlineData(RadixEvictionPolicy.Priority, "a b c d")]
    [InlineData(RadixEvictionPolicy.Fifo, "a c b d")]
    [InlineData(RadixEvictionPolicy.Filo, "d b c a")]
    [InlineData(RadixEvictionPolicy.Mru, "b a d c")]
    public void Each_policy_has_its_order(RadixEvictionPolicy policy, string order)
    {
        var tree = new RadixTree(1, _pool, policy);
        Insert(tree, ['a'], _pool, priority: 0);
        Insert(tree, ['c'], _pool, priority: 1);
        Insert(tree, ['b'], _pool, priority: 0);
        Insert(tree, ['d'], _pool, priority: 1);
        Use('a', times: 2);
        Use('b', times: 1);
        var evicted = new List<char>();
        while (tree.NodeCount > 0)
        {
            char[] before = [.. tree.Nodes().Select(node => (char)node.Tokens[0])];
            tree.Evict(1);
            evicted.Add(Assert.Single(before.Except(tree.Nodes().Select(node => (char)node.Tokens[0]))));
        }
        Assert.Equal(order, string.Join(' ', evicted));

        void Use(char key, int times)
        {
            for (int i = 0; i < times; i++)
            {
                var pages = new PageList();
                RadixNode node = tree.Match([key], ref pages);
                tree.Lock(node);
                RadixTree.CountUse(node);
                tree.Unlock(node);
            }
        }
    }

    /// <summary>However large the tree: what one eviction touches is bounded by the pages asked for.</summary>
    [Theory]
    [InlineData(RadixEvictionPolicy.Lru)]
    [InlineData(RadixEvictionPolicy.Lfu)]
    public void Eviction_removes_no_more_nodes_than_pages_asked_for_and_allocates_nothing(RadixEvictionPolicy policy)
    {
        var pool = new PagePool(40_000);
        var tree = new RadixTree(1, pool, policy);
        for (int i = 0; i < 10_000; i++) Insert(tree, [i % 100, i, i + 1, i + 2], pool);
        int nodes = tree.NodeCount;
        Assert.True(nodes > 10_000);
        Assert.Equal(3, tree.Evict(3));
        Assert.InRange(nodes - tree.NodeCount, 1, 3);
        Assert.Equal(0, Allocation.Of(() => tree.Evict(1)));
    }

    /// <summary>Against a dictionary of page-aligned prefixes; one bucket to start with makes collisions the rule.</summary>
    [Theory]
    [InlineData(1, 1, RadixEvictionPolicy.Lru)]
    [InlineData(1, 2, RadixEvictionPolicy.Lfu)]
    [InlineData(3, 3, RadixEvictionPolicy.Slru)]
    [InlineData(16, 4, RadixEvictionPolicy.Priority)]
    [InlineData(1, 5, RadixEvictionPolicy.Fifo)]
    [InlineData(1, 6, RadixEvictionPolicy.Filo)]
    [InlineData(3, 7, RadixEvictionPolicy.Mru)]
    public void It_agrees_with_a_table_of_prefixes(int pageSize, int seed, RadixEvictionPolicy policy)
    {
        var order = new EvictionHeap(policy);
        var random = new Random(seed);
        var pool = new PagePool(300);
        var tree = new RadixTree(pageSize, pool, policy, initialBuckets: 1);
        var table = new Dictionary<string, int>(); // prefix -> page
        var locked = new List<RadixNode>();
        for (int step = 0; step < 1000; step++)
        {
            int[] tokens = new int[random.Next(12 * pageSize)];
            for (int i = 0; i < tokens.Length; i++) tokens[i] = i % pageSize == 0 ? random.Next(3) : 7;
            int numPages = tokens.Length / pageSize;
            int known = Enumerable.Range(1, numPages).TakeWhile(n => table.ContainsKey(Key(tokens, n * pageSize))).Count();
            Assert.Equal(known, tree.CountMatch(tokens));
            switch (random.Next(5))
            {
                case 0 or 1 when pool.FreeCount >= numPages:
                    int[] pages = Insert(tree, tokens, pool, priority: random.Next(3)).Pages;
                    for (int n = 1; n <= numPages; n++)
                    {
                        string key = Key(tokens, n * pageSize);
                        if (n <= known) Assert.Equal(table[key], pages[n - 1]);
                        else table[key] = pages[n - 1];
                    }
                    break;
                case 2:
                    var matched = new PageList();
                    RadixNode node = tree.Match(tokens, ref matched);
                    Assert.Equal(Enumerable.Range(1, known).Select(n => table[Key(tokens, n * pageSize)]), matched.Span.ToArray());
                    if (random.Next(2) == 0)
                    {
                        tree.Lock(node);
                        RadixTree.CountUse(node);
                        locked.Add(node);
                    }
                    break;
                case 3 when locked.Count > 0:
                    int at = random.Next(locked.Count);
                    tree.Unlock(locked[at]);
                    locked.RemoveAt(at);
                    break;
                case 4:
                    RadixNode[] evictable = [.. tree.Nodes().Where(n => n.LockCount == 0 && n.ChildCount == 0)];
                    int[] oldest = evictable.Length == 0 ? [] : evictable.Aggregate((first, other) => order.Less(other, first) ? other : first).Pages.ToArray();
                    int count = random.Next(oldest.Length) + 1;
                    Assert.Equal(Math.Min(count, oldest.Length), tree.Evict(count));
                    Assert.All(oldest.TakeLast(count), page => Assert.True(pool.IsFree(page)));
                    break;
            }
            foreach (string gone in table.Where(pair => pool.IsFree(pair.Value)).Select(pair => pair.Key).ToArray()) table.Remove(gone);
            Assert.Equal(table.Count, tree.EvictablePages + tree.ProtectedPages);
            Assert.Equal(pool.Capacity, pool.FreeCount + table.Count);
        }

        static string Key(int[] tokens, int length) => string.Join(',', tokens[..length]);
    }

    private (int[] Pages, int AlreadyThere, RadixNode Node) Insert(RadixTree tree, int[] tokens) => Insert(tree, tokens, _pool);

    private static (int[] Pages, int AlreadyThere, RadixNode Node) Insert(RadixTree tree, int[] tokens, PagePool pool, long priority = 0)
    {
        int pageSize = tree.PageSize;
        int[] pages = new int[tokens.Length / pageSize];
        for (int i = 0; i < pages.Length; i++) pages[i] = pool.Allocate();
        int[] mine = [.. pages];
        RadixNode node = tree.Insert(tokens.AsSpan(0, pages.Length * pageSize), pages, firstOwned: 0, priority);
        return (pages, mine.Zip(pages).Count(pair => pair.First != pair.Second), node);
    }

    private static string[] Runs(RadixTree tree) => [.. tree.Nodes().Select(node => string.Join(',', node.Tokens.ToArray())).Order()];
}
