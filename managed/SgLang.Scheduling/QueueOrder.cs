using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>The order in which admission walks the waiting requests. Walking may remove the request just returned.</summary>
internal sealed class QueueOrder(SchedulerState state)
{
    /// <summary>Above this many waiting, lpm would cost more than it saves and is first-come.</summary>
    private const int MaxSorted = 128;

    private readonly Request[] sorted = new Request[MaxSorted];
    private readonly long[] keys = new long[MaxSorted];
    private readonly Request[] representatives = new Request[MaxSorted];
    private Request? next;
    private int index, count;

    public void Start()
    {
        SchedulerOptions options = state.Options;
        count = -1;
        next = state.Waiting.First;
        if (options.Policy == SchedulePolicy.Lpm && !options.DisableRadixCache && state.Waiting.Count is > 1 and <= MaxSorted) SortByPrefix();
    }

    public Request? Next()
    {
        if (count >= 0)
        {
            if (index == count) return null;
            Request request = sorted[index];
            sorted[index++] = null!;
            return request;
        }
        Request? current = next;
        next = current?.Next;
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
        count = index = 0;
        Array.Clear(sorted); // a walk that stopped early left requests here
        for (Request? request = state.Waiting.First; request is not null; request = request.Next, count++)
        {
            int cached = cache.CountMatch(request);
            bool isDeprioritized = false;
            if (cached <= options.InBatchPrefixCheckThreshold && options.InBatchPrefixDeprioritizeThreshold >= 0)
            {
                isDeprioritized = SharesPrefix(request, representatives.AsSpan(0, numRepresentatives));
                if (!isDeprioritized) representatives[numRepresentatives++] = request;
            }
            sorted[count] = request;
            keys[count] = (isDeprioritized ? Last : (long)(int.MaxValue - cached) << 8) + count;
        }
        Array.Clear(representatives, 0, numRepresentatives);
        Array.Sort(keys, sorted, 0, count);
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
            if (other.Tokens.Length >= length && other.Tokens[..length].SequenceEqual(prefix)) return true;
        return false;
    }
}
