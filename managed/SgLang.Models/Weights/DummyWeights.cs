using SgLang.Runtime;

namespace SgLang.Models.Weights;

/// <summary>
/// Uniform values in [-1e-3, 1e-3] for every parameter, so that kernels run at their true cost without a checkpoint. A value depends on its
/// tensor's name and its place there alone, so that the slices of several ranks are those of one rank's tensors.
/// </summary>
public sealed class DummyWeights(Action<long>? bytesLoaded = null) : IWeightSource
{
    public const float Scale = 1e-3f;
    public const ulong Seed = 1234;

    public long BytesChecked { get; private set; }

    public void ResetBytesChecked() => BytesChecked = 0;

    public bool Contains(string name) => true;

    public void Load(DeviceContext context, PackedWeight weight, ReadOnlySpan<WeightPart> parts)
    {
        // Without the padding of the packed layout, which a meta context does not know.
        long bytes = weight.NumGroups * weight.OutFeatures * weight.InFeatures * weight.DType.SizeInBytes();
        if (context.IsMeta)
        {
            BytesChecked += bytes;
            return;
        }
        Span<long> filled = weight.NumGroups <= 256 ? stackalloc long[weight.NumGroups] : new long[weight.NumGroups];
        filled.Clear();
        foreach (WeightPart part in parts)
        {
            ref long offset = ref filled[part.Group];
            weight.FillRandom(SeedOf(part.Name), Scale, offset, part.Rows.Count, part.Rows.First, part.Columns.First, part.Group);
            offset += part.Rows.Count;
        }
        bytesLoaded?.Invoke(bytes);
    }

    public void Load(DeviceContext context, in Tensor vector, ReadOnlySpan<WeightPart> parts)
    {
        if (context.IsMeta)
        {
            BytesChecked += vector.NumBytes;
            return;
        }
        var values = new float[vector.NumElements];
        int next = 0;
        foreach (WeightPart part in parts)
        {
            ulong seed = SeedOf(part.Name);
            for (long i = part.Rows.First; i < part.Rows.End; i++) values[next++] = (float)((Hash(seed, (ulong)i) >> 40) * (1.0 / (1 << 23)) - 1) * Scale;
        }
        VectorConverter.Upload(context, vector, values);
        bytesLoaded?.Invoke(vector.NumBytes);
    }

    public void Dispose()
    {
    }

    /// <summary>FNV-1a of the name, started from the format's seed.</summary>
    private static ulong SeedOf(string name)
    {
        ulong hash = 14695981039346656037 ^ Seed;
        foreach (char c in name) hash = (hash ^ c) * 1099511628211;
        return hash;
    }

    /// <summary>Number <paramref name="i"/> that SplitMix64 draws.</summary>
    private static ulong Hash(ulong seed, ulong i)
    {
        ulong z = seed + (i + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
