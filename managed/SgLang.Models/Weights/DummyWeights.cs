using SgLang.Runtime;

namespace SgLang.Models.Weights;

/// <summary>
/// Uniform values in [-1e-3, 1e-3] for every parameter, so that kernels run at their true cost without a checkpoint. The values of a tensor
/// depend on its name and shape alone; a tensor-parallel rank draws its slice by itself, so ranks together have other values than one rank.
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
        weight.FillRandom(SeedOf(parts[0].Name), Scale);
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
        ulong state = SeedOf(parts[0].Name);
        for (int i = 0; i < values.Length; i++) values[i] = (float)((Next(ref state) >> 40) * (1.0 / (1 << 23)) - 1) * Scale;
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

    /// <summary>SplitMix64.</summary>
    private static ulong Next(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
