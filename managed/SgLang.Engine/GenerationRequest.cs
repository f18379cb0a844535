using SgLang.Core;

namespace SgLang.Engine;

/// <summary>One prompt to continue. n &gt; 1 and batches are several of these.</summary>
public sealed record GenerationRequest
{
    /// <summary>Unique among unfinished requests.</summary>
    public required string Rid { get; init; }
    public required int[] InputIds { get; init; }
    public required SamplingParams Sampling { get; init; }

    /// <summary>Null when no log-probabilities are wanted.</summary>
    public LogprobOptions? Logprobs { get; init; }

    /// <summary>Counts with --enable-priority-scheduling only; null takes the server's default.</summary>
    public int? Priority { get; init; }

    /// <summary>Counts with the schedule policy routing-key.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>It shares cached prefixes with requests of the same key only; null for those without one.</summary>
    public string? ExtraKey { get; init; }

    /// <summary>A health check's: neither counted among the requests nor remembered.</summary>
    public bool IsProbe { get; init; }

    /// <summary>The replica that takes it; null leaves the choice to the engine.</summary>
    public int? DpRank { get; init; }

    /// <summary>Tokens per chunk; null takes the engine's. Requests that are not streamed get one chunk at the end.</summary>
    public int? StreamInterval { get; init; }
    public bool IsStreaming { get; init; }

    /// <summary>Nothing is generated: the only chunk brings <see cref="GenerationChunk.Embedding"/> of the prompt.</summary>
    public bool WantsEmbedding { get; init; }
}
