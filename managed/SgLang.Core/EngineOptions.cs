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
    Fcfs,
    Lpm,
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

    /// <summary>CPU worker threads; 0 means one per physical core.</summary>
    public int NumThreads { get; init; }

    /// <summary>(weights + KV pool) / device memory.</summary>
    public double? MemFractionStatic { get; init; }
    public int? MaxRunningRequests { get; init; }
    public int? MaxQueuedRequests { get; init; }
    public int? MaxTotalTokens { get; init; }

    /// <summary>New tokens a prefill step may compute; -1 turns chunking off.</summary>
    public int? ChunkedPrefillSize { get; init; }
    public int MaxPrefillTokens { get; init; } = 16384;
    public SchedulePolicy SchedulePolicy { get; init; }
    public double ScheduleConservativeness { get; init; } = 1.0;
    public int PageSize { get; init; } = 16;
    public bool DisableRadixCache { get; init; }
    public bool DisableOverlapSchedule { get; init; }
    public bool EnableMixedChunk { get; init; }
    public int StreamInterval { get; init; } = 1;
    public int DecodeLogInterval { get; init; } = 40;
    public long? RandomSeed { get; init; }
    public double WatchdogTimeoutSeconds { get; init; } = 300;

    public string ModelName => ServedModelName ?? ModelPath;
}
