namespace SgLang.Engine;

/// <summary>How a window ended.</summary>
public sealed record ProfileResult
{
    public required string Id { get; init; }
    public required string OutputDirectory { get; init; }
    public long FirstStep { get; init; }
    public long LastStep { get; init; }
    public long NumSteps { get; init; }
    public IReadOnlyList<string> Files { get; init; } = [];
    public long RecordsDropped { get; init; }

    /// <summary>Why there are no files, or not all.</summary>
    public string? Error { get; init; }

    /// <summary>Stopped before its first step.</summary>
    public bool WasCancelled { get; init; }
}
