using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>
/// Matrices [num_groups, out_features, in_features] in the backend's own layout: filled once, then read by every product. In a meta context
/// it has a shape and no memory.
/// </summary>
public sealed unsafe class PackedWeight : IDisposable
{
    private readonly DeviceContext _context;
    private readonly MemoryBlock? _block;
    private SglWeight _handle;

    /// <summary>Every element is zero until loaded.</summary>
    /// <param name="name">What it is, for those who look at memory.</param>
    /// <param name="dtype">Storage, F32 or BF16; the activations of a product must have the same type.</param>
    public PackedWeight(DeviceContext context, DType dtype, long outFeatures, long inFeatures, int numGroups = 1, string name = "weight")
    {
        _context = context;
        DType = dtype;
        OutFeatures = outFeatures;
        InFeatures = inFeatures;
        NumGroups = numGroups;
        NumBytes = numGroups * outFeatures * inFeatures * dtype.SizeInBytes();
        if (!context.IsMeta)
        {
            var desc = new SglWeightDesc { NumGroups = numGroups, DType = (SglDType)dtype, OutFeatures = outFeatures, InFeatures = inFeatures };
            SglWeight weight;
            Check(sgl_weight_create(context.Handle, &weight, &desc));
            _handle = weight;
            ulong bytes;
            Check(sgl_weight_num_bytes(weight, &bytes));
            NumBytes = checked((long)bytes);
            // Where the matrices themselves lie only the native library knows.
            _block = context.Memory.Allocate(name, MemoryUse.Weights, weight.Value, NumBytes, isOnHost: false);
        }
        context.Retain();
    }

    public DType DType { get; }
    public long OutFeatures { get; }
    public long InFeatures { get; }

    /// <summary>Experts of a grouped weight; 1 for a plain one.</summary>
    public int NumGroups { get; }

    /// <summary>Device memory held, padding included; without padding in a meta context.</summary>
    public long NumBytes { get; }

    internal SglWeight Handle => !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(PackedWeight));

    /// <summary>
    /// Packs rows [n, in_features] in host memory (BF16, F16 or F32, converted) into rows [rowOffset, rowOffset + n) of one group. The source
    /// may be unmapped on return.
    /// </summary>
    public void Load(in Tensor rows, long rowOffset = 0, int group = 0)
    {
        if (_context.IsMeta) return;
        fixed (Tensor* source = &rows) Check(sgl_weight_load(_context.Handle, Handle, (SglTensor*)source, group, rowOffset));
    }

    /// <summary>
    /// Fills rows [rowOffset, rowOffset + numRows) of one group with uniform values in [-scale, scale]: the block of the endless random matrix
    /// called <paramref name="seed"/> that begins at the given row and column.
    /// </summary>
    public void FillRandom(ulong seed, float scale, long rowOffset, long numRows, long firstRow = 0, long firstColumn = 0, int group = 0)
    {
        if (_context.IsMeta) return;
        var args = new SglWeightFillRandomArgs
        {
            Seed = seed,
            Scale = scale,
            Group = group,
            RowOffset = rowOffset,
            NumRows = numRows,
            FirstRow = firstRow,
            FirstColumn = firstColumn,
        };
        Check(sgl_weight_fill_random(_context.Handle, Handle, &args));
    }

    public void Dispose()
    {
        if (_handle.IsNull) return;
        if (_block is not null) _context.Memory.Free(_block);
        sgl_weight_destroy(_handle);
        _handle = default;
        _context.Release();
    }
}
