using SgLang.Core;

namespace SgLang.Runtime;

/// <summary>What a device is; free memory is as of the question.</summary>
public sealed record DeviceInfo
{
    public required DeviceKind Kind { get; init; }
    public required int Ordinal { get; init; }

    /// <summary>"NVIDIA H100 80GB HBM3", "AMD EPYC".</summary>
    public required string Name { get; init; }

    /// <summary>Instruction set in use: "avx512_bf16", "avx512", "avx2", "generic"; "sm_90" on a GPU.</summary>
    public required string Isa { get; init; }

    /// <summary>Compute capability of a GPU; 0 on the CPU.</summary>
    public required int ComputeMajor { get; init; }
    public required int ComputeMinor { get; init; }

    /// <summary>Streaming multiprocessors of a GPU; physical cores usable by this process on the CPU.</summary>
    public required int NumProcessors { get; init; }
    public required bool SupportsGraphs { get; init; }
    public required long TotalMemoryBytes { get; init; }
    public required long FreeMemoryBytes { get; init; }
}
