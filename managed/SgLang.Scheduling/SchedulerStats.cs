namespace SgLang.Scheduling;

/// <summary>A snapshot of a <see cref="Scheduler"/>. Totals count from its start.</summary>
public readonly record struct SchedulerStats
{
    /// <summary>Nothing is planned.</summary>
    public bool IsPaused { get; init; }

    /// <summary>Requests that hold a row, the chunked one included.</summary>
    public int NumRunning { get; init; }
    public int NumWaiting { get; init; }

    /// <summary>Those of the waiting that gave their memory or place back and are to start again.</summary>
    public int NumRetractedWaiting { get; init; }

    /// <summary>Tokens of waiting and half-computed prompts that no step has taken yet, cached prefixes included.</summary>
    public long NumPendingTokens { get; init; }
    public int CapacityTokens { get; init; }
    public int FreeTokens { get; init; }

    /// <summary>Tokens of cached prefixes that nothing running uses.</summary>
    public int EvictableTokens { get; init; }

    /// <summary>Tokens of cached prefixes in use.</summary>
    public int ProtectedTokens { get; init; }

    /// <summary>capacity - free - evictable.</summary>
    public int UsedTokens { get; init; }

    /// <summary>(capacity - free - evictable) / capacity.</summary>
    public double TokenUsage { get; init; }
    public double NewTokenRatio { get; init; }

    /// <summary>hit / (hit + computed) of the last prefill step.</summary>
    public double CacheHitRate { get; init; }

    /// <summary>Steps planned, of every kind.</summary>
    public long NumSteps { get; init; }
    public long NumDecodeSteps { get; init; }

    /// <summary>Prompt tokens computed, recomputation after retraction included.</summary>
    public long PrefillTokens { get; init; }
    public long CachedTokens { get; init; }
    public long GeneratedTokens { get; init; }

    /// <summary>Tokens computed for a request that had already finished or been retracted.</summary>
    public long DroppedTokens { get; init; }
    public long EvictedTokens { get; init; }
    public long NumAccepted { get; init; }
    public long NumFinished { get; init; }
    public long NumAborted { get; init; }
    public long NumRetracted { get; init; }

    /// <summary>Tokens whose KV retractions gave up.</summary>
    public long RetractedTokens { get; init; }

    /// <summary>Prompt tokens of the requests retracted, and output tokens they had; each retraction counts.</summary>
    public long RetractedInputTokens { get; init; }
    public long RetractedOutputTokens { get; init; }

    internal static SchedulerStats Of(SchedulerState state)
    {
        KvCache cache = state.Cache;
        int pageSize = cache.PageSize;
        int capacity = cache.Pool.Capacity * pageSize;
        int used = capacity - cache.AvailableTokens;
        ref SchedulerState.Counters totals = ref state.Totals;
        return new SchedulerStats
        {
            NumRunning = state.NumAdmitted,
            NumWaiting = state.Waiting.Count,
            NumRetractedWaiting = state.NumRetractedWaiting,
            NumPendingTokens = state.NumPendingTokens,
            CapacityTokens = capacity,
            FreeTokens = cache.Pool.FreeCount * pageSize,
            EvictableTokens = cache.Tree.EvictablePages * pageSize,
            ProtectedTokens = cache.Tree.ProtectedPages * pageSize,
            UsedTokens = used,
            TokenUsage = (double)used / capacity,
            NewTokenRatio = state.Ratio.Value,
            CacheHitRate = totals.CacheHitRate,
            NumSteps = totals.Steps,
            NumDecodeSteps = totals.DecodeSteps,
            PrefillTokens = totals.PrefillTokens,
            CachedTokens = totals.CachedTokens,
            GeneratedTokens = totals.Generated,
            DroppedTokens = totals.Dropped,
            EvictedTokens = cache.EvictedPages * pageSize,
            NumAccepted = totals.Accepted - totals.Probes,
            NumFinished = totals.Finished,
            NumAborted = totals.Aborted,
            NumRetracted = totals.Retracted,
            RetractedTokens = totals.RetractedTokens,
            RetractedInputTokens = totals.RetractedInputTokens,
            RetractedOutputTokens = totals.RetractedOutputTokens,
        };
    }
}
