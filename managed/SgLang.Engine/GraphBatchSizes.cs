using SgLang.Core;

namespace SgLang.Engine;

/// <summary>The decode batches that are captured as graphs, rising, and which of them serves a batch. Pure.</summary>
internal sealed class GraphBatchSizes
{
    private const int LargestSize = 65536;

    private readonly int[] _sizes;
    private readonly bool _hasPadding;

    private GraphBatchSizes(int[] sizes, bool hasPadding)
    {
        _sizes = sizes;
        _hasPadding = hasPadding;
    }

    public static GraphBatchSizes None { get; } = new([], hasPadding: false);

    public ReadOnlySpan<int> Sizes => _sizes;

    /// <summary>0 when nothing is captured.</summary>
    public int Largest => _sizes.Length == 0 ? 0 : _sizes[^1];

    /// <param name="totalMemory">Of the device, in bytes.</param>
    /// <param name="maxRunning">No batch is larger; it is captured too, so that a full batch always has its graph.</param>
    public static GraphBatchSizes For(EngineOptions options, long totalMemory, int maxRunning)
    {
        if (options.DisableCudaGraph) return None;
        bool hasPadding = !options.DisableCudaGraphPadding;
        if (options.CudaGraphBatchSizes is { Count: > 0 } chosen)
        {
            foreach (int size in chosen)
                if (size is < 1 or > LargestSize) throw new EngineStartException($"--cuda-graph-bs must be from 1 to {LargestSize}, got {size}.");
            return new GraphBatchSizes(Clip([.. chosen.Distinct().Order()], maxRunning), hasPadding);
        }
        if (options.CudaGraphMaxBatchSize is < 1 or > LargestSize)
            throw new EngineStartException($"--cuda-graph-max-bs must be from 1 to {LargestSize}, got {options.CudaGraphMaxBatchSize}.");
        int max = options.CudaGraphMaxBatchSize ?? DefaultLargest(totalMemory);
        return new GraphBatchSizes(Clip(hasPadding ? Default(max) : [.. Enumerable.Range(1, max)], maxRunning), hasPadding);
    }

    /// <summary>The smallest captured size that holds a batch (the same one without padding); 0 if there is none.</summary>
    public int Select(int batch)
    {
        int index = Array.BinarySearch(_sizes, batch);
        if (index >= 0) return batch;
        return _hasPadding && ~index < _sizes.Length ? _sizes[~index] : 0;
    }

    /// <summary>spec/server.md 3: largest decode batch by memory of the GPU.</summary>
    internal static int DefaultLargest(long totalMemory) => (totalMemory >> 20) switch
    {
        < 20 * 1024 => 8,
        < 35 * 1024 => 24,
        < 60 * 1024 => 32,
        < 160 * 1024 => 256,
        _ => 512,
    };

    /// <summary>spec/server.md 3: 1 2 4 8 12, then steps that grow with the size, and the largest itself.</summary>
    internal static int[] Default(int max)
    {
        List<int> sizes = [];
        for (int size = 1; size <= max; size = Next(size)) sizes.Add(size);
        if (sizes[^1] != max) sizes.Add(max);
        return [.. sizes];

        static int Next(int size) => size switch { 1 => 2, 2 => 4, < 16 => size + 4, < 256 => size + 8, < 512 => size + 16, _ => size + 32 };
    }

    private static int[] Clip(int[] sizes, int maxRunning)
    {
        if (sizes[^1] <= maxRunning) return sizes;
        return [.. sizes.Where(size => size < maxRunning), maxRunning];
    }
}
