using System.Text.Json.Serialization;

namespace SgLang.Protocol;

public sealed record AbortRequest
{
    /// <summary>Requests whose rid begins with it are aborted; empty matches none.</summary>
    public string? Rid { get; set; }
    public bool? AbortAll { get; set; }
}

/// <summary>Answer of /model_info.</summary>
public sealed record ModelInfoResponse
{
    public required string ModelPath { get; init; }
    public required string TokenizerPath { get; init; }
    public bool IsGeneration { get; init; } = true;

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? PreferredSamplingParams { get; init; }
    public required string WeightVersion { get; init; }
    public bool HasImageUnderstanding { get; init; }
    public bool HasAudioUnderstanding { get; init; }
    public required string ModelType { get; init; }
    public required IReadOnlyList<string> Architectures { get; init; }
}
