namespace SgLang.Profiling;

/// <summary>Memory that the engine has asked for.</summary>
/// <param name="Address">Of the memory, or of whatever owns it where its own is not known; 0 where there is neither.</param>
/// <param name="IsOnHost">Also in a context of a device.</param>
public sealed record MemoryBlock(string Name, MemoryUse Use, long Address, long NumBytes, bool IsOnHost);

/// <summary>A block that came or went during a window.</summary>
/// <param name="Ticks">Of the stopwatch.</param>
public readonly record struct MemoryChange(long Ticks, MemoryBlock Block, bool IsFree);

/// <summary>A context's memory over a window.</summary>
/// <param name="Blocks">At its beginning.</param>
/// <param name="Dropped">Changes that came after the most that are kept.</param>
public sealed record MemoryHistory(IReadOnlyList<MemoryBlock> Blocks, IReadOnlyList<MemoryChange> Changes, long Dropped);
