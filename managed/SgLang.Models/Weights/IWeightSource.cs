using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Weights;

/// <summary>One matrix [rows, in_features] of a packed weight: a checkpoint's tensor, or one rank's block of it, and the group (expert) it goes to.</summary>
/// <param name="Name">Full name in the checkpoint.</param>
/// <param name="Rows">Which of the tensor's rows.</param>
public readonly record struct WeightPart(string Name, Shard Rows, int Group = 0)
{
    public WeightPart(string name, long rows, int group = 0) : this(name, Shard.Whole(rows), group)
    {
    }

    /// <summary>Which of the tensor's columns; the default means all.</summary>
    public Shard Columns { get; init; }
}

/// <summary>Where parameters come from: a checkpoint's files, or random numbers.</summary>
public interface IWeightSource : IDisposable
{
    bool Contains(string name);

    /// <summary>Bytes of everything loaded so far in a meta context: what the real load will report in all.</summary>
    long BytesChecked { get; }

    void ResetBytesChecked();

    /// <summary>
    /// Fills a packed weight. Parts of one group are stacked in order. In a meta context nothing is copied, but names and shapes are checked.
    /// Throws <see cref="WeightException"/> for a tensor that is missing or has another shape.
    /// </summary>
    void Load(DeviceContext context, PackedWeight weight, ReadOnlySpan<WeightPart> parts);

    /// <summary>Fills a vector on the device with tensors of the given names, one after another; converted to the vector's type.</summary>
    void Load(DeviceContext context, in Tensor vector, ReadOnlySpan<WeightPart> parts);
}
