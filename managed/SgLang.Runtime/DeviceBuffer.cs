using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>Owns a block of device memory, aligned to 256 bytes, contents undefined. In a meta context it has a size and no memory.</summary>
public sealed unsafe class DeviceBuffer : IDisposable
{
    private readonly DeviceContext _context;
    private readonly MemoryBlock? _block;
    private bool _isDisposed;

    /// <param name="name">What it is for; the error of a failed allocation says it.</param>
    public DeviceBuffer(DeviceContext context, long numBytes, string name, MemoryUse use = MemoryUse.Buffers)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(numBytes);
        _context = context;
        Name = name;
        NumBytes = numBytes;
        if (!context.IsMeta)
        {
            void* data;
            SglStatus status = sgl_memory_allocate(context.Handle, &data, (ulong)Math.Max(numBytes, 1));
            if (status == SglStatus.OutOfMemory) throw new OutOfDeviceMemoryException(name, numBytes, Text(sgl_last_error()));
            Check(status);
            Data = (nint)data;
            _block = context.Memory.Allocate(name, use, Data, numBytes, isOnHost: false);
        }
        context.Retain();
    }

    public string Name { get; }
    public nint Data { get; private set; }
    public long NumBytes { get; }

    /// <summary>A dense view of the first bytes.</summary>
    public Tensor AsTensor(DType dtype, params ReadOnlySpan<long> shape) => View(0, dtype, shape);

    /// <summary>A dense view from <paramref name="byteOffset"/> on.</summary>
    public Tensor View(long byteOffset, DType dtype, params ReadOnlySpan<long> shape)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var tensor = new Tensor(Data + (nint)byteOffset, dtype, shape);
        if (byteOffset < 0 || tensor.NumBytes > NumBytes - byteOffset)
            throw new ArgumentException($"buffer '{Name}' has {NumBytes} bytes; {tensor} at {byteOffset} does not fit");
        return tensor;
    }

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        if (_block is not null)
        {
            _context.Memory.Free(_block);
            sgl_memory_free(_context.HandleForDestroy, (void*)Data);
        }
        Data = 0;
        _context.Release();
    }
}

/// <summary>The device has no room for a named block; the message says how much was asked and what is free.</summary>
public sealed class OutOfDeviceMemoryException(string name, long numBytes, string detail)
    : Exception($"'{name}' needs {numBytes} bytes of device memory: {detail}");
