using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>What a trace says of a GPU; the names are those of the CUDA runtime's properties.</summary>
public sealed record DeviceProperties
{
    public required int Ordinal { get; init; }
    public required string Name { get; init; }
    public required int ComputeMajor { get; init; }
    public required int ComputeMinor { get; init; }
    public required int NumProcessors { get; init; }
    public required long TotalMemoryBytes { get; init; }
    public long MemoryBytesPerSecond { get; init; }
    public int WarpSize { get; init; } = 32;
    public int ThreadsPerBlock { get; init; }
    public int ThreadsPerProcessor { get; init; }
    public int BlocksPerProcessor { get; init; }
    public int RegistersPerBlock { get; init; }
    public int RegistersPerProcessor { get; init; }
    public long SharedBytesPerBlock { get; init; }
    public long SharedBytesPerBlockOptin { get; init; }
    public long SharedBytesPerProcessor { get; init; }
    public long ReservedSharedBytesPerBlock { get; init; }
    public int RuntimeVersion { get; init; }
    public int DriverVersion { get; init; }

    public static unsafe DeviceProperties FromNative(in SglDeviceProperties p)
    {
        fixed (byte* name = p.Name)
        {
            return new DeviceProperties
            {
                Ordinal = p.Ordinal,
                Name = SglNative.Text(name),
                ComputeMajor = p.ComputeMajor,
                ComputeMinor = p.ComputeMinor,
                NumProcessors = p.NumProcessors,
                TotalMemoryBytes = p.TotalMemoryBytes,
                MemoryBytesPerSecond = p.MemoryBytesPerSecond,
                WarpSize = p.WarpSize,
                ThreadsPerBlock = p.ThreadsPerBlock,
                ThreadsPerProcessor = p.ThreadsPerProcessor,
                BlocksPerProcessor = p.BlocksPerProcessor,
                RegistersPerBlock = p.RegistersPerBlock,
                RegistersPerProcessor = p.RegistersPerProcessor,
                SharedBytesPerBlock = p.SharedBytesPerBlock,
                SharedBytesPerBlockOptin = p.SharedBytesPerBlockOptin,
                SharedBytesPerProcessor = p.SharedBytesPerProcessor,
                ReservedSharedBytesPerBlock = p.ReservedSharedBytesPerBlock,
                RuntimeVersion = p.RuntimeVersion,
                DriverVersion = p.DriverVersion,
            };
        }
    }
}
