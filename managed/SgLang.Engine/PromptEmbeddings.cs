using System.Runtime.InteropServices;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>Hidden states of a step on the host, once the work queued so far has finished, as embeddings: scaled to length 1.</summary>
internal sealed class PromptEmbeddings : IDisposable
{
    private readonly DeviceContext _device;
    private readonly PinnedBuffer _host;
    private readonly DType _dtype;
    private readonly int _width;

    private PromptEmbeddings(DeviceContext device, int rows, DType dtype, int width)
    {
        _device = device;
        _dtype = dtype;
        _width = width;
        _host = new PinnedBuffer(device, rows * RowBytes);
    }

    private long RowBytes => _width * _dtype.SizeInBytes();

    /// <summary>The given buffer if it is large enough, else a new one in its place. Type and width are a model's and never change.</summary>
    public static PromptEmbeddings Ensure(PromptEmbeddings? existing, DeviceContext device, int rows, DType dtype, int width)
    {
        if (existing is not null && existing._host.NumBytes >= rows * existing.RowBytes) return existing;
        existing?.Dispose();
        return new PromptEmbeddings(device, rows, dtype, width);
    }

    /// <summary>Queues the copy of hidden states [n, width] into the rows from <paramref name="first"/> on.</summary>
    public void Queue(int first, in Tensor hidden) => _device.Copy(_host.View(first * RowBytes, _dtype, hidden.NumRows, _width), hidden);

    /// <summary>One row, divided by its Euclidean norm; zeros stay zeros.</summary>
    public float[] Row(int row)
    {
        ReadOnlySpan<byte> bytes = _host.AsSpan<byte>().Slice((int)(row * RowBytes), (int)RowBytes);
        float[] values = new float[_width];
        if (_dtype == DType.F32) MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
        else Widen(MemoryMarshal.Cast<byte, ushort>(bytes), values);
        double squares = 0;
        foreach (float value in values) squares += (double)value * value;
        double scale = squares > 0 ? 1 / Math.Sqrt(squares) : 0;
        for (int i = 0; i < values.Length; i++) values[i] = (float)(values[i] * scale);
        return values;
    }

    public void Dispose() => _host.Dispose();

    /// <summary>bfloat16 is the upper half of a float.</summary>
    private static void Widen(ReadOnlySpan<ushort> halves, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }
}
