using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>What another node has sent of a window.</summary>
/// <param name="Node">Its rank.</param>
/// <param name="Paths">Of whole files on this machine.</param>
/// <param name="Clock">How far its clock is ahead of this machine's, measured when the files were sent; null where that failed.</param>
/// <param name="RecordsDropped">By its recorders.</param>
/// <param name="Error">Why files are missing; null where none are.</param>
internal sealed record NodeProfileFiles(int Node, IReadOnlyList<string> Paths, ClockOffset? Clock, long RecordsDropped, string? Error);
