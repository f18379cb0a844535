using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>Rows of [vocabulary, hidden] by token id. Kept as a packed weight, so that a tied head is the same memory.</summary>
public sealed class Embedding
{
    private readonly int _module;

    public Embedding(ModuleScope at)
    {
        Path = at.Path;
        _module = at.Model.AddModule(Path);
        Weight = at.Model.LoadWeight(at.Config.HiddenSize, 1, new WeightPart(Path + ".weight", at.Config.VocabSize));
    }

    public string Path { get; }
    public PackedWeight Weight { get; }

    /// <summary>[n, hidden] of ids I32 [n].</summary>
    public Tensor Forward(ForwardContext f, in Tensor ids)
    {
        using ModuleSpan span = f.Enter(_module, in ids);
        Tensor y = f.Arena.Allocate(Path, Weight.DType, ids.NumRows, Weight.InFeatures);
        Ops.Embedding(f.Device, y, Weight, ids);
        f.Observer?.Completed(Path, y);
        return y;
    }
}
