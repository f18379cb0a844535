using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// Keys and values of every layer, each [num_pages, num_kv_heads, page_size, head_dim] in the model's type. Page 0 is a dummy that padded
/// tokens write to; contents of a page are undefined until written.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly DeviceBuffer _memory;
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    public KvCache(DeviceContext context, IModel model, int numPages, int pageSize)
        : this(context, model.Config, model.DType, numPages, pageSize)
    {
    }

    internal KvCache(DeviceContext context, ModelConfig config, DType dtype, int numPages, int pageSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numPages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        NumPages = numPages;
        PageSize = pageSize;
        _keys = new Tensor[config.NumLayers];
        _values = new Tensor[config.NumLayers];
        long bytes = BytesPerToken(config, dtype) * pageSize * numPages;
        _memory = new DeviceBuffer(context, bytes, "KV cache");
        long tensorBytes = bytes / (2 * config.NumLayers);
        for (int layer = 0; layer < config.NumLayers; layer++)
        {
            _keys[layer] = _memory.View(2 * layer * tensorBytes, dtype, numPages, config.NumKvHeads, pageSize, config.HeadDim);
            _values[layer] = _memory.View((2 * layer + 1) * tensorBytes, dtype, numPages, config.NumKvHeads, pageSize, config.HeadDim);
        }
    }

    public int NumPages { get; }
    public int PageSize { get; }
    public long NumBytes => _memory.NumBytes;

    public ref readonly Tensor Keys(int layer) => ref _keys[layer];

    public ref readonly Tensor Values(int layer) => ref _values[layer];

    /// <summary>Page destinationPages[i] = page sourcePages[i] in every layer; both I32 [n] on the device, disjoint.</summary>
    public void CopyPages(DeviceContext context, in Tensor destinationPages, in Tensor sourcePages)
    {
        for (int layer = 0; layer < _keys.Length; layer++) Ops.KvCopy(context, _keys[layer], _values[layer], destinationPages, sourcePages);
    }

    public void Dispose() => _memory.Dispose();

    internal static long BytesPerToken(ModelConfig config, DType dtype) => 2L * config.NumLayers * config.NumKvHeads * config.HeadDim * dtype.SizeInBytes();
}
