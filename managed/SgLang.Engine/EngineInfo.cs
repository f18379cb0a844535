namespace SgLang.Engine;

/// <summary>What does not change while an engine runs.</summary>
public sealed record EngineInfo
{
    public required string ModelPath { get; init; }
    public required string ModelName { get; init; }
    public required string ModelType { get; init; }
    public required IReadOnlyList<string> Architectures { get; init; }
    public required int VocabularySize { get; init; }

    /// <summary>Width of the hidden states, which is that of embeddings.</summary>
    public int HiddenSize { get; init; }
    public required int ContextLength { get; init; }

    /// <summary>Longest prompt accepted.</summary>
    public required int MaxRequestInputLength { get; init; }
    public required int MaxTotalTokens { get; init; }
    public required int MaxRunningRequests { get; init; }
    public required int PageSize { get; init; }
    public required string Device { get; init; }
    public required string DType { get; init; }
    public required int NumThreads { get; init; }
    public required long WeightBytes { get; init; }
    public required long KvCacheBytes { get; init; }

    /// <summary>Device memory that captured graphs take.</summary>
    public long GraphBytes { get; init; }

    /// <summary>Decode batches up to this are replayed from graphs; 0: none is.</summary>
    public int LargestGraphBatch { get; init; }

    /// <summary>Of the first rank's device once everything was loaded.</summary>
    public long FreeMemoryBytes { get; init; }
    public required long RandomSeed { get; init; }
    public required TimeSpan LoadTime { get; init; }
    public int TpSize { get; init; } = 1;
    public int PpSize { get; init; } = 1;
    public int EpSize { get; init; } = 1;
    public int DpSize { get; init; } = 1;
}

/// <summary>A snapshot taken at a step boundary; reading it never waits for the engine.</summary>
public sealed record EngineStats
{
    /// <summary>Nothing is computed until the engine is told to go on.</summary>
    public bool IsPaused { get; init; }
    public int NumRunning { get; init; }
    public int NumWaiting { get; init; }

    /// <summary>Requests whose grammar is being compiled.</summary>
    public int NumGrammarQueue { get; init; }
    public GrammarCounts Grammars { get; init; }

    /// <summary>Waiting requests that had begun and gave their memory or place back.</summary>
    public int NumRetractedWaiting { get; init; }

    /// <summary>Of the KV pool: free, cached but not in use, and in use.</summary>
    public int FreeTokens { get; init; }
    public int EvictableTokens { get; init; }
    public int UsedTokens { get; init; }
    public double TokenUsage { get; init; }

    /// <summary>Output tokens per second over the last logging interval.</summary>
    public double GenerationThroughput { get; init; }
    public double CacheHitRate { get; init; }
    public long NumSteps { get; init; }
    public long PromptTokens { get; init; }
    public long CachedTokens { get; init; }
    public long GeneratedTokens { get; init; }
    public long NumRequests { get; init; }
    public long NumAborted { get; init; }
    public long NumRetracted { get; init; }
    public long RetractedInputTokens { get; init; }
    public long RetractedOutputTokens { get; init; }
    public long EvictedTokens { get; init; }

    /// <summary>Forward passes: how many, how long, how large.</summary>
    public StepMeter Steps { get; init; }

    /// <summary>Seconds of the latest decode steps by batch size; null where they are not kept.</summary>
    public IReadOnlyDictionary<int, float[]>? StepTimes { get; init; }
    public double NewTokenRatio { get; init; }

    /// <summary><see cref="System.Diagnostics.Stopwatch"/> time stamp of the last finished step or idle check.</summary>
    public long Heartbeat { get; init; }

    /// <summary>Of several replicas as one: counts are added, shares averaged, and the oldest heartbeat counts.</summary>
    internal static EngineStats Sum(IReadOnlyList<EngineStats> all) => new()
    {
        IsPaused = all.Any(stats => stats.IsPaused),
        NumRunning = all.Sum(stats => stats.NumRunning),
        NumWaiting = all.Sum(stats => stats.NumWaiting),
        NumRetractedWaiting = all.Sum(stats => stats.NumRetractedWaiting),
        FreeTokens = all.Sum(stats => stats.FreeTokens),
        EvictableTokens = all.Sum(stats => stats.EvictableTokens),
        UsedTokens = all.Sum(stats => stats.UsedTokens),
        TokenUsage = all.Average(stats => stats.TokenUsage),
        GenerationThroughput = all.Sum(stats => stats.GenerationThroughput),
        CacheHitRate = all.Average(stats => stats.CacheHitRate),
        NumSteps = all.Sum(stats => stats.NumSteps),
        PromptTokens = all.Sum(stats => stats.PromptTokens),
        CachedTokens = all.Sum(stats => stats.CachedTokens),
        GeneratedTokens = all.Sum(stats => stats.GeneratedTokens),
        NumRequests = all.Sum(stats => stats.NumRequests),
        NumAborted = all.Sum(stats => stats.NumAborted),
        NumRetracted = all.Sum(stats => stats.NumRetracted),
        RetractedInputTokens = all.Sum(stats => stats.RetractedInputTokens),
        RetractedOutputTokens = all.Sum(stats => stats.RetractedOutputTokens),
        EvictedTokens = all.Sum(stats => stats.EvictedTokens),
        Steps = StepMeter.Sum(all.Select(stats => stats.Steps)),
        NewTokenRatio = all.Average(stats => stats.NewTokenRatio),
        Heartbeat = all.Min(stats => stats.Heartbeat),
    };
}
