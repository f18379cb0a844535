namespace SgLang.Runtime;

/// <summary>How a rank exchanges tensors with single other ranks of a group: memory, a device library, or a network.</summary>
public interface IPeerLink : IDisposable
{
    int Rank { get; }

    /// <summary>Rises when the group is made usable again after a failure: what was sent and not received before it is gone.</summary>
    int NumResets { get; }

    void Send(in Tensor x, int peer);

    /// <summary>Waits for the next tensor from a peer, which must be of y's type and size.</summary>
    void Receive(in Tensor y, int peer);
}
