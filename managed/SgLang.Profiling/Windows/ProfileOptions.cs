namespace SgLang.Profiling;

/// <summary>What a window records and where its files go.</summary>
public sealed record ProfileOptions
{
    public required string OutputDirectory { get; init; }
    public required string Id { get; init; }
    public string? Prefix { get; init; }

    /// <summary>Name of the file of a window that is not by stage, its extension included; several ranks add their places to it. Null: made of prefix, id, rank and stage.</summary>
    public string? FileName { get; init; }

    /// <summary>Steps to record, of each stage when by stage; null is until stopped by hand.</summary>
    public int? NumSteps { get; init; }

    /// <summary>First step, counted from the start of the process; one already passed means the next. Ignored by stage.</summary>
    public long? StartStep { get; init; }

    /// <summary>Steps to let pass first, counted from the request. Ignored by stage.</summary>
    public long? StartAfterSteps { get; init; }

    /// <summary>Stages with a file each; empty is one file of all steps.</summary>
    public IReadOnlyList<TraceStage> Stages { get; init; } = [];

    /// <summary>Only steps that meet it are recorded and counted.</summary>
    public StepCondition Condition { get; init; } = StepCondition.None;

    /// <summary>Names of stages in the names of files: `-prefill` and `-decode` instead of `-EXTEND` and `-DECODE`.</summary>
    public bool UsesLowercaseStages { get; init; }
    public bool MergeProfiles { get; init; }

    /// <summary>Pftrace also writes each file in Perfetto's own format, beside the JSON that all other readers need.</summary>
    public TraceFormat Format { get; init; }
    public bool RecordShapes { get; init; } = true;
    public bool WithStack { get; init; } = true;
    public bool DetailedAnnotations { get; init; }
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];

    /// <summary>What a reader must know of this window in particular.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    public bool IsByStage => Stages.Count > 0;
    public bool RecordsHost => Activities.Contains("CPU");
    public bool RecordsDevice => Activities.Contains("GPU");
    public bool RecordsMemory => Activities.Contains("MEM");
    public bool UsesCudaProfiler => Activities.Contains("CUDA_PROFILER");
}
