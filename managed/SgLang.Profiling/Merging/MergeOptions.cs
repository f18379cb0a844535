namespace SgLang.Profiling;

public enum TraceFormat
{
    /// <summary>Chrome trace JSON in Kineto's manner, gzip compressed.</summary>
    Json,

    /// <summary>Perfetto's own protobuf.</summary>
    Pftrace,
}

/// <summary>How traces are merged.</summary>
public sealed record MergeOptions
{
    /// <summary>Ranks that there must be; null is what the traces say of their world's size, if they do.</summary>
    public int? ExpectedRanks { get; init; }

    /// <summary>A damaged or absent rank is said in the file instead of being an error.</summary>
    public bool AllowMissing { get; init; }

    /// <summary>Process numbers become texts "[TP00] 4711" as SGLang's merger writes them, instead of numbers of each rank's own.</summary>
    public bool StringPids { get; init; }

    public TraceFormat Format { get; init; }

    /// <summary>By path of a trace: how its clock stood to the merging machine's.</summary>
    public IReadOnlyDictionary<string, ClockOffset> ClockOffsets { get; init; } = new Dictionary<string, ClockOffset>();

    /// <summary>Ranks worked on at once.</summary>
    public int MaxParallel { get; init; } = Environment.ProcessorCount;
}
