using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// A rank's communicators, and the collectives of a forward pass over them. In a meta context nothing is sent. A single rank has none of
/// this: layers then take their own path.
/// </summary>
public sealed class RankCommunicators(RankPlace place, Communicator? tensor, IPeerLink? pipeline) : IDisposable
{
    public RankPlace Place { get; } = place;

    /// <summary>The ranks that share each layer; null for one.</summary>
    public Communicator? Tensor { get; } = tensor;

    /// <summary>The stages of this tensor rank; null for one.</summary>
    public IPeerLink? Pipeline { get; } = pipeline;

    /// <summary>Whether a forward pass may be recorded into a graph.</summary>
    public bool SupportCapture => Pipeline is null && Tensor is { SupportsCapture: true };

    public void Dispose()
    {
        Tensor?.Dispose();
        Pipeline?.Dispose();
    }
}
