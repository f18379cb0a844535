namespace SgLang.Bench.Serving;

/// <summary>What is asked of /start_profile; null fields are left to the server.</summary>
public sealed record ProfileOptions
{
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];
    public int? StartStep { get; init; }
    public int? NumSteps { get; init; }
    public bool ByStage { get; init; }
    public IReadOnlyList<string> Stages { get; init; } = [];
    public string? OutputDirectory { get; init; }
    public string? Prefix { get; init; }

    /// <summary>Worker name to address; empty: the server that is measured.</summary>
    public IReadOnlyList<KeyValuePair<string, Uri>> Workers { get; init; } = [];
}
