namespace SgLang.Profiling;

/// <summary>What a trace file says about itself besides its events.</summary>
public sealed record TraceFileInfo
{
    public required ProfileOptions Options { get; init; }
    public required RankCoordinates Rank { get; init; }
    public int RankIndex { get; init; }
    public int WorldSize { get; init; } = 1;

    /// <summary>How ranks communicate: "none" for one rank, "shared memory", "nccl", "network" where each has a node of its own.</summary>
    public string Backend { get; init; } = "none";

    /// <summary>Groups of ranks that this one is in.</summary>
    public IReadOnlyList<RankGroupInfo> Groups { get; init; } = [];

    /// <summary>Whose spans and calls are in the file; null for everybody's.</summary>
    public Func<TracedThread, bool>? Includes { get; init; }

    /// <summary>Whether what belongs to no rank in particular is in the file: requests, and calls of threads that record no spans.</summary>
    public bool IsFirstOfProcess { get; init; } = true;

    /// <summary>Whether work that no call is known of is this file's, by the ordinal of its device; null for all. Other work goes with the thread that launched it.</summary>
    public Func<uint, bool>? OwnsDevice { get; init; }
    public TraceStage Stage { get; init; }
    public long FirstStep { get; init; }
    public long LastStep { get; init; }
    public long NumSteps { get; init; }

    /// <summary>Whose activity is in the file.</summary>
    public IReadOnlyList<DeviceProperties> Devices { get; init; } = [];

    /// <summary>Where memory was asked for and is known.</summary>
    public TraceMemory? Memory { get; init; }

    /// <summary>Truths that the reader would not guess, such as activities that were asked for and do not exist.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>A directory where unfinished files may lie; the target is in it.</summary>
    public string Directory => Options.OutputDirectory;

    public string FileName => Options.FileName is { } name
        ? WorldSize == 1 ? name : TraceFileNames.OfRank(name, Rank)
        : TraceFileNames.Rank(Options.Prefix, Options.Id, Rank, Stage, Options.UsesLowercaseStages);
}

/// <summary>Ranks that communicate: "tp" or "pp", and their indices in the world.</summary>
public sealed record RankGroupInfo(string Name, IReadOnlyList<int> Ranks);

/// <summary>A file that was written.</summary>
public sealed record TraceFile(string Path, long NumEvents, long NumBytes);
