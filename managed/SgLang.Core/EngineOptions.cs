namespace SgLang.Core;

public enum DeviceKind : byte
{
    Auto,
    Cpu,
    Cuda,
}

public enum ModelDType : byte
{
    /// <summary>bfloat16 for bf16 and f16 checkpoints, float32 for f32 ones.</summary>
    Auto,
    BFloat16,
    Float32,
}

public enum LoadFormat : byte
{
    Auto,
    Safetensors,

    /// <summary>Random weights; needs only config.json.</summary>
    Dummy,
}

public enum SchedulePolicy : byte
{
    /// <summary>In order of arrival.</summary>
    Fcfs,

    /// <summary>Longest cached prefix first.</summary>
    Lpm,

    /// <summary>Longest output first: by falling max_new_tokens.</summary>
    Lof,

    /// <summary>By the part of the prefix cache that most waiting requests share.</summary>
    DfsWeight,
    Random,

    /// <summary>Requests whose routing key most running requests have first.</summary>
    RoutingKey,
}

/// <summary>Which cached prefix that nobody uses is given up first.</summary>
public enum RadixEvictionPolicy : byte
{
    /// <summary>The least recently used.</summary>
    Lru,

    /// <summary>The one used by the fewest requests, of equals the least recently used.</summary>
    Lfu,

    /// <summary>Those that only one request has used before those that more have, each least recently used first.</summary>
    Slru,

    /// <summary>The one whose requests had the lowest priority, of equals the least recently used.</summary>
    Priority,

    /// <summary>The oldest.</summary>
    Fifo,

    /// <summary>The newest.</summary>
    Filo,

    /// <summary>The most recently used.</summary>
    Mru,
}

/// <summary>Which running requests go back to waiting when the KV pool is full.</summary>
public enum RetractionPolicy : byte
{
    /// <summary>Fewest generated tokens first.</summary>
    Length,

    /// <summary>Lowest priority first, then by length.</summary>
    Priority,
}

/// <summary>Which replica takes a request.</summary>
public enum LoadBalanceMethod : byte
{
    /// <summary>The one with the longest cached prefix, unless loads differ much or little is cached: then the least loaded.</summary>
    CacheAware,
    RoundRobin,

    /// <summary>Fewest unfinished requests.</summary>
    TotalRequests,

    /// <summary>Fewest tokens of unfinished requests, then fewest requests.</summary>
    TotalTokens,
}

/// <summary>Everything an engine is started with. Names are those of the command line's flags; null means derived at start.</summary>
public sealed record EngineOptions
{
    public required string ModelPath { get; init; }
    public string? TokenizerPath { get; init; }
    public bool SkipTokenizerInit { get; init; }
    public LoadFormat LoadFormat { get; init; }
    public int? ContextLength { get; init; }

    /// <summary>JSON object merged over config.json.</summary>
    public string JsonModelOverrideArgs { get; init; } = "{}";
    public string? ServedModelName { get; init; }
    public string WeightVersion { get; init; } = "default";

    /// <summary>Path of a Jinja template that replaces the tokenizer's.</summary>
    public string? ChatTemplate { get; init; }
    public ModelDType DType { get; init; }
    public DeviceKind Device { get; init; }
    public int BaseGpuId { get; init; }
    public int GpuIdStep { get; init; } = 1;

    /// <summary>Several tensor ranks, or replicas, may be on one GPU; without a map the ranks are dealt out over the GPUs there are.</summary>
    public bool AllowSharedDevice { get; init; }

    /// <summary>Ranks on GPUs of their own talk through NCCL alone.</summary>
    public bool DisableCustomAllReduce { get; init; }

    /// <summary>GPU of each rank, in the order replica, stage, tensor rank; empty means counted from <see cref="BaseGpuId"/>.</summary>
    public IReadOnlyList<int> DeviceMap { get; init; } = [];

    /// <summary>Ranks that share every layer.</summary>
    public int TpSize { get; init; } = 1;

    /// <summary>Stages of layers.</summary>
    public int PpSize { get; init; } = 1;

    /// <summary>Requests of a step; null means an even share of those that run. With a pipeline, as many steps are under way as there are stages.</summary>
    public int? PpMaxMicroBatchSize { get; init; }

    /// <summary>Micro-batches beyond one for each pipeline stage.</summary>
    public int PpAsyncBatchDepth { get; init; }

    /// <summary>Parts that the experts are spread over; divides <see cref="TpSize"/>.</summary>
    public int EpSize { get; init; } = 1;

    /// <summary>Whether expert-parallel ranks exchange tokens by all-to-all.</summary>
    public ExpertExchangeMode ExpertExchange { get; init; }

    /// <summary>Replicas, each with ranks, scheduler and cache of its own.</summary>
    public int DpSize { get; init; } = 1;

    /// <summary>
    /// The replicas share the ranks of one: each has <see cref="TpSize"/> / <see cref="DpSize"/> of them for attention and its cache, and all of them
    /// compute experts and MLPs for everybody.
    /// </summary>
    public bool EnableDpAttention { get; init; }
    public LoadBalanceMethod LoadBalanceMethod { get; init; }

    /// <summary>Processes, each on a machine of its own, that share the stages of all replicas.</summary>
    public int NumNodes { get; init; } = 1;

    /// <summary>Which of them this is; 0 serves HTTP and schedules.</summary>
    public int NodeRank { get; init; }

    /// <summary>host:port where node 0 listens for the others; needed with several nodes.</summary>
    public string? DistInitAddress { get; init; }

    /// <summary>A word that all nodes share; who does not know it cannot join.</summary>
    public string? NodeToken { get; init; }

    /// <summary>How long a rank waits for another, and a starting node for the others.</summary>
    public int DistTimeoutSeconds { get; init; } = 300;

    /// <summary>CPU worker threads of all ranks together; 0 means one per physical core.</summary>
    public int NumThreads { get; init; }

    /// <summary>
    /// Memory node whose processors the threads of each rank keep to, in the order replica, stage, tensor rank; empty: ranks of a CPU are dealt out over the
    /// nodes, others are not bound.
    /// </summary>
    public IReadOnlyList<int> NumaNodes { get; init; } = [];

    /// <summary>Where the machine describes its memory nodes.</summary>
    public string NumaDirectory { get; init; } = "/sys/devices/system/node";

    /// <summary>(weights + KV pool) / device memory.</summary>
    public double? MemFractionStatic { get; init; }
    public int? MaxRunningRequests { get; init; }
    public int? MaxQueuedRequests { get; init; }
    public int? MaxTotalTokens { get; init; }

    /// <summary>New tokens a prefill step may compute; -1 turns chunking off.</summary>
    public int? ChunkedPrefillSize { get; init; }
    public int MaxPrefillTokens { get; init; } = 16384;
    public int? PrefillMaxRequests { get; init; }
    public SchedulePolicy SchedulePolicy { get; init; }
    public bool EnablePriorityScheduling { get; init; }
    public bool ScheduleLowPriorityValuesFirst { get; init; }
    public int PrioritySchedulingPreemptionThreshold { get; init; } = 10;
    public bool DisablePriorityPreemption { get; init; }
    public int? DefaultPriorityValue { get; init; }
    public bool AbortOnPriorityWhenDisabled { get; init; }
    public RetractionPolicy RetractionPolicy { get; init; }
    public double ScheduleConservativeness { get; init; } = 1.0;
    public int PageSize { get; init; } = 16;
    public RadixEvictionPolicy RadixEvictionPolicy { get; init; }
    public bool DisableRadixCache { get; init; }
    public bool DisableOverlapSchedule { get; init; }
    public bool EnableMixedChunk { get; init; }

    /// <summary>Run every step eagerly, also where the device could replay graphs.</summary>
    public bool DisableCudaGraph { get; init; }

    /// <summary>Largest captured decode batch.</summary>
    public int? CudaGraphMaxBatchSize { get; init; }

    /// <summary>The captured decode batches; null: a list that ends at <see cref="CudaGraphMaxBatchSize"/>.</summary>
    public IReadOnlyList<int>? CudaGraphBatchSizes { get; init; }

    /// <summary>Replay a graph only for exactly its batch.</summary>
    public bool DisableCudaGraphPadding { get; init; }

    /// <summary>Whether json_schema, regex and ebnf are served.</summary>
    public bool EnableGrammars { get; init; } = true;
    public double GrammarCompileTimeoutSeconds { get; init; } = 10;

    /// <summary>Constrained JSON has no blanks but those of ", " and ": ".</summary>
    public bool ConstrainedJsonDisableAnyWhitespace { get; init; }

    /// <summary>A regular expression for blanks in constrained JSON; null takes the built-in rule.</summary>
    public string? ConstrainedJsonWhitespacePattern { get; init; }
    public int StreamInterval { get; init; } = 1;
    public int DecodeLogInterval { get; init; } = 40;
    public long? RandomSeed { get; init; }
    public double WatchdogTimeoutSeconds { get; init; } = 300;

    /// <summary>Seconds without a step after which a report is logged; null: none before the engine is given up.</summary>
    public double? SoftWatchdogTimeoutSeconds { get; init; }

    /// <summary>NVTX ranges around every module, for a profiler that listens.</summary>
    public bool EnableLayerwiseNvtxMarker { get; init; }

    /// <summary>The capture of CUDA graphs at the start is profiled.</summary>
    public bool EnableProfileCudaGraph { get; init; }

    /// <summary>First part of the modules' paths in NVTX ranges; null is <see cref="ModelPath"/>, empty is none.</summary>
    public string? NvtxRoot { get; init; }

    /// <summary>NVTX ranges around the stages of the scheduler.</summary>
    public bool EnableSchedulerNvtx { get; init; }

    /// <summary>Count the tokens of each expert, which makes steps wait for their routers.</summary>
    public bool EnableExpertDistributionMetrics { get; init; }

    /// <summary>Keep how long decode steps of each batch size take.</summary>
    public bool RecordStepTimes { get; init; }

    /// <summary>Log-probabilities of output tokens are those before temperature instead of after it.</summary>
    public bool ReturnOriginalLogprobs { get; init; }
    public FlightRecorderOptions FlightRecorder { get; init; } = new();
    public string ModelName => ServedModelName ?? ModelPath;

    /// <summary>Steps, each of other requests, that the ranks of a replica work on at once.</summary>
    public int NumMicroBatches => PpSize == 1 ? 1 : PpSize + PpAsyncBatchDepth;

    /// <summary>Steps a replica has room for at once: the micro-batches, and one more that is launched ahead.</summary>
    public int MaxStepsInFlight => NumMicroBatches + 1;

    /// <summary>Requests that run at once by <see cref="PpMaxMicroBatchSize"/>; null means no limit by it.</summary>
    public int? MaxPipelinedRequests => PpMaxMicroBatchSize * NumMicroBatches;
    public bool SharesRanks => EnableDpAttention && DpSize > 1;
    public NodeLayout Layout => new(NumNodes, TpSize, PpSize, DpSize);
}
