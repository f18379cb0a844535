namespace SgLang.Profiling;

/// <summary>A rank's place in each kind of parallelism, with the sizes.</summary>
public readonly record struct RankCoordinates(int Tp, int TpSize = 1, int Dp = 0, int DpSize = 1, int Pp = 0, int PpSize = 1, int Ep = 0, int EpSize = 1)
{
    public string Suffix => $"TP-{Tp}{Part("DP", Dp, DpSize)}{Part("PP", Pp, PpSize)}{Part("EP", Ep, EpSize)}";

    private static string Part(string name, int rank, int size) => size > 1 ? $"-{name}-{rank}" : "";
}

/// <summary>Names of trace files (spec/profiling.md 5.2).</summary>
public static class TraceFileNames
{
    public const string Extension = ".trace.json.gz";
    public const string PftraceExtension = ".pftrace";
    public const string PlainExtension = ".trace.json";
    private const string ShortExtension = ".json.gz";

    /// <summary>The same name with the extension of Perfetto's format.</summary>
    public static string ToPftrace(string path) => path[..^Extension.Length] + PftraceExtension;

    public static string Rank(string? prefix, string id, RankCoordinates rank, TraceStage stage, bool lowercaseStage = false) =>
        $"{(string.IsNullOrEmpty(prefix) ? "" : prefix + "-")}{id}-{rank.Suffix}{Stage(stage, lowercaseStage)}{Extension}";

    /// <summary>A rank's snapshot of its memory, beside its trace.</summary>
    public static string Memory(TraceFileInfo info)
    {
        string trace = Stem(info.FileName), stage = Stage(info.Stage, info.Options.UsesLowercaseStages);
        return $"{trace[..^stage.Length]}-memory{stage}.pickle";
    }

    /// <summary>A rank's own of a name for all of them: "x.trace.json.gz" is "x-TP-0.trace.json.gz".</summary>
    public static string OfRank(string name, RankCoordinates rank) => $"{Stem(name)}-{rank.Suffix}{name[Stem(name).Length..]}";

    private static string Stem(string name) => name[..^(name.EndsWith(Extension, StringComparison.Ordinal) ? Extension : ShortExtension).Length];

    /// <summary>Stages are merged apart, so that no merge overwrites another.</summary>
    public static string Merged(string id, TraceStage stage) => $"merged-{id}{Stage(stage)}{Extension}";

    public static string Stage(TraceStage stage, bool lowercase = false) => stage switch
    {
        TraceStage.Extend => lowercase ? "-prefill" : "-EXTEND",
        TraceStage.Decode => lowercase ? "-decode" : "-DECODE",
        _ => "",
    };
}
