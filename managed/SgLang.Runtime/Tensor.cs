using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SgLang.Runtime;

/// <summary>
/// A view of memory, bit for bit an `SglTensor`: address, type, up to four dimensions with strides in elements. Owns nothing; whoever made
/// the memory keeps it alive until the work using the view has finished. The default value is "no tensor".
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct Tensor
{
    public const int MaxRank = 4;

    public readonly nint Data;
    public readonly DType DType;
    public readonly int Rank;
    private readonly Dims _shape;
    private readonly Dims _stride;

    [InlineArray(MaxRank)]
    private struct Dims
    {
        private long _element;
    }

    private Tensor(nint data, DType dtype, int rank, Dims shape, Dims stride)
    {
        Data = data;
        DType = dtype;
        Rank = rank;
        _shape = shape;
        _stride = stride;
    }

    /// <summary>A dense row-major view of memory at <paramref name="data"/>.</summary>
    public Tensor(nint data, DType dtype, params ReadOnlySpan<long> shape)
    {
        if (shape.Length is 0 or > MaxRank) ThrowRank(shape.Length);
        Data = data;
        DType = dtype;
        Rank = shape.Length;
        long step = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] < 0) ThrowDimension(shape[i]);
            _shape[i] = shape[i];
            _stride[i] = step;
            step *= shape[i];
        }
    }

    /// <summary>True for the default value, where an operator's argument is left out.</summary>
    public bool IsNone => Rank == 0;

    public long this[int dimension] => dimension < Rank ? _shape[dimension] : ThrowIndex(dimension, Rank);

    public long Stride(int dimension) => dimension < Rank ? _stride[dimension] : ThrowIndex(dimension, Rank);

    /// <summary>Rows of the first dimension.</summary>
    public long NumRows => _shape[0];

    public long NumElements
    {
        get
        {
            long count = Rank == 0 ? 0 : 1;
            for (int i = 0; i < Rank; i++) count *= _shape[i];
            return count;
        }
    }

    /// <summary>Bytes of the elements, without gaps between strided rows.</summary>
    public long NumBytes => NumElements * DType.SizeInBytes();

    public bool IsDense
    {
        get
        {
            long step = 1;
            for (int i = Rank - 1; i >= 0; i--)
            {
                if (_shape[i] != 1 && _stride[i] != step) return false;
                step *= _shape[i];
            }
            return true;
        }
    }

    /// <summary>Elements [start, start + count) of one dimension; shares the memory.</summary>
    public Tensor Slice(int dimension, long start, long count)
    {
        if (dimension >= Rank) ThrowIndex(dimension, Rank);
        if (start < 0 || count < 0 || start > _shape[dimension] - count) ThrowSlice(this, dimension, start, count);
        Dims sliced = _shape;
        sliced[dimension] = count;
        return new Tensor(Data + (nint)(start * _stride[dimension] * DType.SizeInBytes()), DType, Rank, sliced, _stride);
    }

    /// <summary>Rows [start, start + count).</summary>
    public Tensor Rows(long start, long count) => Slice(0, start, count);

    /// <summary>One row of a matrix <paramref name="count"/> times; for reading, since all are the same memory.</summary>
    public Tensor RepeatRow(long row, long count)
    {
        Tensor one = Rows(row, 1);
        Dims shape = one._shape, stride = one._stride;
        shape[0] = count;
        stride[0] = 0;
        return new Tensor(one.Data, DType, Rank, shape, stride);
    }

    /// <summary>Columns [start, start + count) of the last dimension.</summary>
    public Tensor Columns(long start, long count) => Slice(Rank - 1, start, count);

    /// <summary>[n, heads * dim] as [n, heads, dim]; rows may be strided.</summary>
    public Tensor SplitLast(long heads, long dim)
    {
        if (Rank is 0 or MaxRank || _shape[Rank - 1] != heads * dim || _stride[Rank - 1] != 1) ThrowSplit(this, heads, dim);
        Dims splitShape = _shape, splitStride = _stride;
        splitShape[Rank - 1] = heads;
        splitStride[Rank - 1] = dim;
        splitShape[Rank] = dim;
        splitStride[Rank] = 1;
        return new Tensor(Data, DType, Rank + 1, splitShape, splitStride);
    }

    /// <summary>The same elements in another dense shape of equal size.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> newShape)
    {
        var reshaped = new Tensor(Data, DType, newShape);
        if (!IsDense || reshaped.NumElements != NumElements) ThrowReshape(this, reshaped);
        return reshaped;
    }

    /// <summary>"[17, 5120] bf16", as in the library's own messages.</summary>
    public override string ToString()
    {
        if (IsNone) return "none";
        var text = new System.Text.StringBuilder("[");
        for (int i = 0; i < Rank; i++) text.Append(i == 0 ? "" : ", ").Append(_shape[i]);
        return text.Append("] ").Append(DType.ToString().ToLowerInvariant()).ToString();
    }

    [DoesNotReturn]
    private static void ThrowRank(int rank) => throw new ArgumentException($"a tensor has 1 to {MaxRank} dimensions, got {rank}");

    [DoesNotReturn]
    private static void ThrowDimension(long value) => throw new ArgumentException($"a dimension is at least 0, got {value}");

    [DoesNotReturn]
    private static long ThrowIndex(int dimension, int rank) => throw new ArgumentOutOfRangeException(nameof(dimension), $"dimension {dimension} of a tensor of rank {rank}");

    [DoesNotReturn]
    private static void ThrowSlice(Tensor tensor, int dimension, long start, long count) =>
        throw new ArgumentOutOfRangeException(nameof(start), $"slice [{start}, {start + count}) of dimension {dimension} of {tensor}");

    [DoesNotReturn]
    private static void ThrowSplit(Tensor tensor, long heads, long dim) => throw new ArgumentException($"{tensor} cannot be seen as [..., {heads}, {dim}]");

    [DoesNotReturn]
    private static void ThrowReshape(Tensor from, Tensor to) => throw new ArgumentException($"{from}{(from.IsDense ? "" : " with gaps")} cannot be seen as {to}");
}
