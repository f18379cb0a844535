using System.Diagnostics.CodeAnalysis;
using SgLang.Profiling;

namespace SgLang.Runtime;

/// <summary>
/// Bump allocation of a step's activations: every sub-allocation has a name, addresses repeat exactly when the requests do, and
/// <see cref="Reset"/> or the end of a <see cref="Scope"/> frees. A counting arena owns no memory: it answers how much a sequence of requests
/// would need, and the tensors it hands out must not be read.
/// </summary>
public sealed class DeviceArena : IDisposable
{
    public const long Alignment = 256;

    private readonly DeviceBuffer? _memory;

    public DeviceArena(DeviceContext context, long capacityBytes, string name)
    {
        Name = name;
        CapacityBytes = capacityBytes;
        _memory = new DeviceBuffer(context, capacityBytes, name, MemoryUse.Activations);
    }

    private DeviceArena(string name)
    {
        Name = name;
        CapacityBytes = long.MaxValue / 2;
    }

    /// <summary>An arena without memory; read <see cref="PeakBytes"/> after the requests.</summary>
    public static DeviceArena CreateCounting(string name) => new(name);

    public string Name { get; }
    public long CapacityBytes { get; }
    public long UsedBytes { get; private set; }

    /// <summary>Most bytes ever in use at once: the capacity that the same requests need.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>A dense tensor aligned to <see cref="Alignment"/>; contents undefined.</summary>
    public Tensor Allocate(string name, DType dtype, params ReadOnlySpan<long> shape)
    {
        // A counting arena's addresses are offsets, never null.
        nint address = _memory is null ? (nint)(Alignment + UsedBytes) : _memory.Data + (nint)UsedBytes;
        var tensor = new Tensor(address, dtype, shape);
        long bytes = (tensor.NumBytes + Alignment - 1) / Alignment * Alignment;
        if (bytes > CapacityBytes - UsedBytes) ThrowFull(name, tensor);
        UsedBytes += bytes;
        if (UsedBytes > PeakBytes) PeakBytes = UsedBytes;
        return tensor;
    }

    public void Reset() => UsedBytes = 0;

    /// <summary>What is allocated from here on is freed when the returned value is disposed.</summary>
    public Scope EnterScope() => new(this);

    public void Dispose() => _memory?.Dispose();

    public readonly ref struct Scope(DeviceArena arena)
    {
        private readonly DeviceArena _arena = arena;
        private readonly long _start = arena.UsedBytes;

        public void Dispose() => _arena.UsedBytes = _start;
    }

    [DoesNotReturn]
    private void ThrowFull(string name, Tensor tensor) =>
        throw new InvalidOperationException($"arena '{Name}': '{name}' {tensor} takes {tensor.NumBytes} bytes; {UsedBytes} of {CapacityBytes} are in use.");
}
