using SgLang.Core;

namespace SgLang.Engine;

/// <summary>The rules by which replicas are chosen (spec/distributed.md 4 and 8.3), without state but the round's.</summary>
internal sealed class Balancer(LoadBalanceMethod method)
{
    /// <summary>A cached prefix counts when it is more than this share of the prompt.</summary>
    private const double CacheThreshold = 0.3;

    // Loads differ too much for the cache to decide when the difference is more than both of these.
    private const int ImbalanceAbsolute = 64;
    private const double ImbalanceRelative = 1.5;

    private int _next;

    public bool WantsCachedTokens => method == LoadBalanceMethod.CacheAware;

    /// <summary>Index of the replica that takes a prompt; -1 when none is alive.</summary>
    public int Choose(ReadOnlySpan<ReplicaLoad> replicas, int promptLength) => method switch
    {
        LoadBalanceMethod.RoundRobin => NextAlive(replicas),
        LoadBalanceMethod.TotalTokens => Least(replicas, static load => (load.Tokens, load.Requests)),
        LoadBalanceMethod.TotalRequests => Least(replicas, static load => (load.Requests, load.Tokens)),
        _ => CacheAware(replicas, promptLength),
    };

    internal static bool IsImbalanced(int least, int most) => most - least > ImbalanceAbsolute && most > ImbalanceRelative * least;

    private int NextAlive(ReadOnlySpan<ReplicaLoad> replicas)
    {
        for (int i = 0; i < replicas.Length; i++)
        {
            int index = (_next + i) % replicas.Length;
            if (!replicas[index].IsAlive) continue;
            _next = (index + 1) % replicas.Length;
            return index;
        }
        return -1;
    }

    private int CacheAware(ReadOnlySpan<ReplicaLoad> replicas, int promptLength)
    {
        int least = int.MaxValue, most = 0, best = -1;
        for (int i = 0; i < replicas.Length; i++)
        {
            if (!replicas[i].IsAlive) continue;
            least = Math.Min(least, replicas[i].Requests);
            most = Math.Max(most, replicas[i].Requests);
            if (best < 0 || replicas[i].CachedTokens > replicas[best].CachedTokens
                || (replicas[i].CachedTokens == replicas[best].CachedTokens && replicas[i].Requests < replicas[best].Requests)) best = i;
        }
        if (best < 0) return -1;
        bool isCached = replicas[best].CachedTokens > CacheThreshold * promptLength;
        return isCached && !IsImbalanced(least, most) ? best : Least(replicas, static load => (load.Requests, load.Tokens));
    }

    /// <summary>The first of the least; equal ones take turns.</summary>
    private int Least(ReadOnlySpan<ReplicaLoad> replicas, Func<ReplicaLoad, (long, long)> measure)
    {
        int best = -1;
        (long, long) smallest = default;
        for (int i = 0; i < replicas.Length; i++)
        {
            int index = (_next + i) % replicas.Length;
            if (!replicas[index].IsAlive) continue;
            (long, long) size = measure(replicas[index]);
            if (best >= 0 && size.CompareTo(smallest) >= 0) continue;
            (best, smallest) = (index, size);
        }
        if (best >= 0) _next = (best + 1) % replicas.Length;
        return best;
    }
}
