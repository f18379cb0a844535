using System.Collections.Concurrent;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// Counts the tokens that each layer's router gives to each expert, on the host: every layer waits for its ids. Counted on the rank's thread,
/// read by any.
/// </summary>
/// <param name="numExperts">Of a layer, over all ranks.</param>
/// <param name="maxIds">Tokens of the largest step times experts of a token.</param>
public sealed class ExpertCounter(DeviceContext device, int numExperts, int maxIds) : IDisposable
{
    private readonly PinnedBuffer _ids = new(device, (long)maxIds * sizeof(int));
    private readonly ConcurrentDictionary<string, long[]> _counts = new(StringComparer.Ordinal);

    /// <summary>Adds the choices of a step: ids I32 [tokens, k].</summary>
    /// <param name="layer">The path of its experts.</param>
    public void Count(string layer, in Tensor ids)
    {
        if (device.IsMeta) return;
        device.Copy(_ids.AsTensor(DType.I32, ids.NumRows, ids[1]), ids);
        device.Synchronize();
        long[] counts = _counts.GetOrAdd(layer, static (_, count) => new long[count], numExperts);
        foreach (int expert in _ids.AsSpan<int>(checked((int)ids.NumElements))) Volatile.Write(ref counts[expert], counts[expert] + 1);
    }

    /// <summary>Tokens of each expert so far, by the path of the layer's experts.</summary>
    public IEnumerable<(string Layer, long[] Tokens)> Read()
    {
        foreach ((string layer, long[] counts) in _counts)
        {
            long[] copy = new long[counts.Length];
            for (int i = 0; i < copy.Length; i++) copy[i] = Volatile.Read(ref counts[i]);
            yield return (layer, copy);
        }
    }

    public void Dispose() => _ids.Dispose();
}
