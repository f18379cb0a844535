using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// The order in which admission walks the waiting requests. A walk ends at the first request that is not admitted, so every request but the
/// last one returned has left the queue.
/// </summary>
internal sealed class QueueOrder(SchedulerState state)
{
    /// <summary>Above this many waiting, looking at all would cost more than it saves and policies that sort are first-come.</summary>
    private const int MaxSorted = 128;

    private readonly Request[] _sorted = new Request[MaxSorted];
    private readonly long[] _keys = new long[MaxSorted];
    private readonly Request[] _scratch = new Request[MaxSorted];
    private readonly RadixNode[] _ends = new RadixNode[MaxSorted];
    private readonly DfsWeightOrder _dfs = new(MaxSorted);
    private readonly Dictionary<string, int> _numRunning = new(StringComparer.Ordinal);
    private readonly Random _random = new(state.Options.RandomSeed);
    private Request? _next;
    private int _index, _count;

    public void Start()
    {
        SchedulerOptions options = state.Options;
        _count = -1;
        _next = state.Waiting.First;
        if (state.Waiting.Count is <= 1 or > MaxSorted) return;
        if (options.Policy == SchedulePolicy.RoutingKey) SortByRoutingKey();
        if (options.DisableRadixCache) return;
        if (options.Policy == SchedulePolicy.Lpm) SortByPrefix();
        else if (options.Policy == SchedulePolicy.DfsWeight) SortByTree();
    }

    public Request? Next()
    {
        if (_count >= 0)
        {
            if (_index == _count) return null;
            Request request = _sorted[_index];
            _sorted[_index++] = null!;
            return request;
        }
        if (state.Waiting.IsRanked) return state.Waiting.Preferred;
        if (state.Options.Policy == SchedulePolicy.Random) return state.Waiting.Count == 0 ? null : state.Waiting.At(_random.Next(state.Waiting.Count));
        Request? current = _next;
        _next = current?.Next;
        return current;
    }

    /// <summary>
    /// Longest cached prefix first, ties in order of arrival. Among requests with little cached, the first of those that share a prefix
    /// with each other goes ahead and the rest go last, since they would find it cached a step later.
    /// </summary>
    private void SortByPrefix()
    {
        const long Last = 1L << 62;
        SchedulerOptions options = state.Options;
        KvCache cache = state.Cache;
        int numRepresentatives = 0;
        _count = _index = 0;
        Array.Clear(_sorted); // a walk that stopped early left requests here
        for (Request? request = state.Waiting.First; request is not null; request = request.Next, _count++)
        {
            int cached = cache.CountMatch(request);
            bool isDeprioritized = false;
            if (cached <= options.InBatchPrefixCheckThreshold && options.InBatchPrefixDeprioritizeThreshold >= 0)
            {
                isDeprioritized = SharesPrefix(request, _scratch.AsSpan(0, numRepresentatives));
                if (!isDeprioritized) _scratch[numRepresentatives++] = request;
            }
            _sorted[_count] = request;
            _keys[_count] = (isDeprioritized ? Last : (long)(int.MaxValue - cached) << 8) + _count;
        }
        Array.Clear(_scratch, 0, numRepresentatives);
        Array.Sort(_keys, _sorted, 0, _count);
    }

    /// <summary>Keys that most running requests have first, ties and requests without a key in order of arrival.</summary>
    private void SortByRoutingKey()
    {
        _numRunning.Clear();
        for (Request? request = state.Running.First; request is not null; request = request.Next)
            if (request.RoutingKey is { } key) _numRunning[key] = _numRunning.GetValueOrDefault(key) + 1;
        _count = _index = 0;
        Array.Clear(_sorted);
        for (Request? request = state.Waiting.First; request is not null; request = request.Next, _count++)
        {
            int running = request.RoutingKey is { } key ? _numRunning.GetValueOrDefault(key) : 0;
            _sorted[_count] = request;
            _keys[_count] = ((long)(int.MaxValue - running) << 8) + _count;
        }
        Array.Sort(_keys, _sorted, 0, _count);
    }

    private void SortByTree()
    {
        _count = _index = 0;
        Array.Clear(_sorted);
        for (Request? request = state.Waiting.First; request is not null; request = request.Next, _count++)
        {
            _sorted[_count] = request;
            _ends[_count] = state.Cache.DeepestMatch(request);
        }
        _dfs.Sort(state.Cache.Tree.Root, _sorted.AsSpan(0, _count), _ends.AsSpan(0, _count), _scratch);
    }

    /// <summary>
    /// A scratch radix tree would match at least the threshold exactly when the first pages that cover it are equal, so those are compared.
    /// </summary>
    private bool SharesPrefix(Request request, ReadOnlySpan<Request> others)
    {
        int length = Math.Max(state.Cache.RoundUp(state.Options.InBatchPrefixDeprioritizeThreshold), state.Options.PageSize);
        if (request.MaxPrefixLength < length) return false;
        ReadOnlySpan<int> prefix = request.Tokens[..length];
        foreach (Request other in others)
            if (other.Tokens.Length >= length && other.ExtraKey == request.ExtraKey && other.Tokens[..length].SequenceEqual(prefix)) return true;
        return false;
    }
}
