using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// A rank's communicators, and the collectives of a forward pass over them. In a meta context nothing is sent. A single rank has none of
/// this: layers then take their own path.
/// </summary>
public sealed class RankCommunicators(RankPlace place, Communicator? tensor, IPeerLink? pipeline, Communicator? attentionPeers = null) : IDisposable
{
    public RankPlace Place { get; } = place;

    /// <summary>The ranks that share each layer, of the same requests with attention by data parallelism; null for one.</summary>
    public Communicator? Tensor { get; } = tensor;

    /// <summary>With attention by data parallelism: the ranks at the same place among those of other requests. Else null.</summary>
    public Communicator? AttentionPeers { get; } = attentionPeers;

    /// <summary>The stages of this tensor rank; null for one.</summary>
    public IPeerLink? Pipeline { get; } = pipeline;

    /// <summary>Whether a forward pass may be recorded into a graph.</summary>
    public bool SupportCapture => Pipeline is null && AttentionPeers is null && Tensor is { SupportsCapture: true };

    public void Dispose()
    {
        Tensor?.Dispose();
        AttentionPeers?.Dispose();
        Pipeline?.Dispose();
    }
}
