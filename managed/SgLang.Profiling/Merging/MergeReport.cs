namespace SgLang.Profiling;

/// <summary>What became of one file.</summary>
/// <param name="Error">Why it is incomplete; null when all of it was merged.</param>
/// <param name="Clock">How far its clock is ahead of the first file's; null where nobody measured.</param>
public sealed record MergedRank(string Path, string Label, long NumEvents, string? Error, ClockOffset? Clock = null);

/// <summary>What a merge did.</summary>
/// <param name="NumMissing">Ranks that were expected and had no file.</param>
public sealed record MergeReport(string Path, long NumEvents, IReadOnlyList<MergedRank> Ranks, int NumMissing);
