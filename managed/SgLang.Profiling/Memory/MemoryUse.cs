namespace SgLang.Profiling;

/// <summary>What a block of memory is for.</summary>
public enum MemoryUse : byte
{
    Buffers,
    Weights,
    KvCache,
    Activations,

    /// <summary>What capturing CUDA graphs took, measured as a whole.</summary>
    Graphs,

    /// <summary>Host memory that the device copies from and to.</summary>
    Staging,
}
