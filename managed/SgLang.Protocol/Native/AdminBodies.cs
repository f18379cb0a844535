using System.Text.Json.Serialization;

namespace SgLang.Protocol;

public sealed record AbortRequest
{
    /// <summary>Requests whose rid begins with it are aborted; empty matches none.</summary>
    public string? Rid { get; set; }
    public bool? AbortAll { get; set; }
}

/// <summary>Body of /pause_generation.</summary>
public sealed record PauseGenerationRequest
{
    /// <summary>abort (the default), retract or in_place.</summary>
    public string? Mode { get; set; }
}

/// <summary>Body of /continue_generation.</summary>
public sealed record ContinueGenerationRequest
{
    /// <summary>Of clients of SGLang; there is no cache of an allocator to empty.</summary>
    public bool? TorchEmptyCache { get; set; }
}

/// <summary>Answer of /pause_generation and /continue_generation.</summary>
public sealed record PauseGenerationResponse(string Message)
{
    public string Status { get; } = "ok";
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
