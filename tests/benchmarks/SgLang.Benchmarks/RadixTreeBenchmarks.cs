using BenchmarkDotNet.Attributes;
using SgLang.Scheduling;

namespace SgLang.Benchmarks;

/// <summary>A prompt of 32k tokens, half of it cached, in a tree that holds 2 M tokens: match, then insert.</summary>
public class RadixTreeBenchmarks
{
    private const int TreeTokens = 2 << 20, PromptTokens = 32 << 10, CachedTokens = PromptTokens / 2;

    private readonly Random _random = new(3);
    private readonly int[][] _cached = new int[4][];
    private PagePool _pool = null!;
    private RadixTree _tree = null!;
    private int[] _prompt = [];
    private int[] _pages = [];

    [Params(1, 16)]
    public int PageSize { get; set; }

    /// <summary>Tokens of a prompt in the tree: few long ones, or many short ones.</summary>
    [Params(512, PromptTokens)]
    public int CachedPromptTokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _pool = new PagePool((TreeTokens + PromptTokens) / PageSize);
        _tree = new RadixTree(PageSize, _pool);
        while (_tree.EvictablePages * PageSize < TreeTokens - ((_cached.Length + 1) * PromptTokens))
        {
            Insert([.. Enumerable.Range(0, CachedPromptTokens).Select(i => i < 64 ? i : _random.Next(100_000))]);
        }
        for (int i = 0; i < _cached.Length; i++)
        {
            _cached[i] = [.. Enumerable.Range(0, PromptTokens).Select(_ => _random.Next(100_000))];
            Insert(_cached[i]);
        }
    }

    /// <summary>A prompt whose second half is new, and pages for it.</summary>
    [IterationSetup]
    public void Prepare()
    {
        if (_pool.FreeCount < PromptTokens / PageSize) _tree.Evict((PromptTokens / PageSize) - _pool.FreeCount);
        int[] known = _cached[_random.Next(_cached.Length)];
        _prompt = [.. known.AsSpan(0, CachedTokens), .. Enumerable.Range(0, PromptTokens - CachedTokens).Select(_ => _random.Next(100_000))];
        _pages = Allocate(PromptTokens / PageSize);
    }

    [Benchmark]
    public int Match_and_insert_32k_tokens()
    {
        var matched = new PageList();
        RadixNode node = _tree.Match(_prompt, ref matched);
        _tree.Lock(node);
        _tree.Insert(_prompt, _pages, firstOwned: 0);
        _tree.Unlock(node);
        return matched.Count;
    }

    private void Insert(int[] tokens)
    {
        int[] pages = Allocate(tokens.Length / PageSize);
        _tree.Insert(tokens, pages, firstOwned: 0);
    }

    private int[] Allocate(int count)
    {
        int[] pages = new int[count];
        for (int i = 0; i < count; i++) pages[i] = _pool.Allocate();
        return pages;
    }
}
