using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// Keys and values of this rank's heads and layers, each [num_pages, num_kv_heads, page_size, head_dim] in the model's type. Page 0 is a dummy that padded
/// tokens write to; contents of a page are undefined until written.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly DeviceBuffer _memory;
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;
    private readonly int _firstLayer;

    public KvCache(DeviceContext context, IModel model, int numPages, int pageSize)
    {
        RankShare share = model.Share;
        int numLayers = (int)share.Layers.Count;
        _firstLayer = (int)share.Layers.First;
        DType dtype = model.DType;
        ArgumentOutOfRangeException.ThrowIfLessThan(numPages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        NumPages = numPages;
        PageSize = pageSize;
        _keys = new Tensor[numLayers];
        _values = new Tensor[numLayers];
        long bytes = model.KvBytesPerToken * pageSize * numPages;
        _memory = new DeviceBuffer(context, bytes, "KV cache", MemoryUse.KvCache);
        long tensorBytes = bytes / (2 * numLayers);
        for (int layer = 0; layer < numLayers; layer++)
        {
            _keys[layer] = _memory.View(2 * layer * tensorBytes, dtype, numPages, share.KvHeads.Count, pageSize, model.Config.HeadDim);
            _values[layer] = _memory.View((2 * layer + 1) * tensorBytes, dtype, numPages, share.KvHeads.Count, pageSize, model.Config.HeadDim);
        }
    }

    public int NumPages { get; }
    public int PageSize { get; }
    public long NumBytes => _memory.NumBytes;

    /// <param name="layer">Counted over the whole model; likewise below.</param>
    public ref readonly Tensor Keys(int layer) => ref _keys[layer - _firstLayer];

    public ref readonly Tensor Values(int layer) => ref _values[layer - _firstLayer];

    /// <summary>Page destinationPages[i] = page sourcePages[i] in every layer; both I32 [n] on the device, disjoint.</summary>
    public void CopyPages(DeviceContext context, in Tensor destinationPages, in Tensor sourcePages)
    {
        for (int layer = 0; layer < _keys.Length; layer++) Ops.KvCopy(context, _keys[layer], _values[layer], destinationPages, sourcePages);
    }

    public void Dispose() => _memory.Dispose();

    internal static long BytesPerToken(RankShare share, int headDim, DType dtype) => 2 * share.Layers.Count * share.KvHeads.Count * headDim * dtype.SizeInBytes();
}
