namespace SgLang.Bench.OneBatch;

/// <summary>What --profile of bench-one-batch records; names are those of its flags.</summary>
public sealed record BatchProfileOptions
{
    public static IReadOnlyList<string> AllActivities { get; } = ["CPU", "GPU", "CUDA_PROFILER", "XPU"];
    public static IReadOnlyList<string> AllStages { get; } = ["all", "prefill", "decode"];

    public required string Directory { get; init; }

    /// <summary>With CUDA_PROFILER among them the steps are a range for an external profiler, and no file is written.</summary>
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];
    public bool RecordShapes { get; init; }
    public bool WithStack { get; init; } = true;
    public string Stage { get; init; } = "all";
    public string Prefix { get; init; } = "profile";

    /// <summary>First decode step recorded, from 0; null: the one in the middle.</summary>
    public int? StartStep { get; init; }

    /// <summary>Decode steps recorded.</summary>
    public int Steps { get; init; } = 1;
}
