using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>
/// Owns host memory that a GPU copies from and to asynchronously (page-locked there, plain memory on the CPU). Seen as spans by the host and
/// as tensors by <see cref="DeviceContext.Copy"/>. The host must not write what a queued copy still reads.
/// </summary>
public sealed unsafe class PinnedBuffer : IDisposable
{
    private readonly DeviceContext _context;
    private readonly MemoryBlock _block;
    private bool _isDisposed;

    public PinnedBuffer(DeviceContext context, long numBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(numBytes);
        _context = context;
        NumBytes = numBytes;
        void* data;
        Check(sgl_host_allocate(context.Handle, &data, (ulong)Math.Max(numBytes, 1)));
        Data = (nint)data;
        _block = context.Memory.Allocate("staging", MemoryUse.Staging, Data, numBytes, isOnHost: true);
        context.Retain();
        new Span<byte>(data, checked((int)numBytes)).Clear();
    }

    public nint Data { get; private set; }
    public long NumBytes { get; }

    /// <summary>The whole buffer, or its first <paramref name="count"/> values. Valid until the buffer is disposed.</summary>
    public Span<T> AsSpan<T>(int count = -1) where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (count < 0) count = checked((int)(NumBytes / sizeof(T)));
        if ((long)count * sizeof(T) > NumBytes) throw new ArgumentOutOfRangeException(nameof(count), $"{count} values of {sizeof(T)} bytes in a buffer of {NumBytes}");
        return new Span<T>((void*)Data, count);
    }

    /// <summary>A dense view of the first bytes, for copies.</summary>
    public Tensor AsTensor(DType dtype, params ReadOnlySpan<long> shape) => View(0, dtype, shape);

    /// <summary>A dense view from <paramref name="byteOffset"/> on.</summary>
    public Tensor View(long byteOffset, DType dtype, params ReadOnlySpan<long> shape)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var tensor = new Tensor(Data + (nint)byteOffset, dtype, shape);
        if (byteOffset < 0 || tensor.NumBytes > NumBytes - byteOffset)
            throw new ArgumentException($"a pinned buffer of {NumBytes} bytes cannot be seen as {tensor} at {byteOffset}");
        return tensor;
    }

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _context.Memory.Free(_block);
        sgl_host_free(_context.HandleForDestroy, (void*)Data);
        Data = 0;
        _context.Release();
    }
}
