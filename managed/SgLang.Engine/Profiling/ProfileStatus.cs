using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>A snapshot for /profile_status.</summary>
public sealed record ProfileStatus
{
    public required ProfileState State { get; init; }

    /// <summary>Steps launched since the engine started: the counter that start_step refers to.</summary>
    public required long Step { get; init; }

    /// <summary>Of the window under way.</summary>
    public ProfileOptions? Options { get; init; }
    public long FirstStep { get; init; }
    public long NumRecorded { get; init; }
    public ProfileResult? Last { get; init; }
}
