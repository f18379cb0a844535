using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>F32 logits over the vocabulary; its weight is its own or, where tied, the embedding's.</summary>
public sealed class LmHead
{
    private readonly int _module;
    private readonly PackedWeight _weight;

    /// <param name="tied">The embedding whose weight is used; null to load `weight` [vocabulary, hidden] at this place.</param>
    public LmHead(ModuleScope at, Embedding? tied)
    {
        Path = at.Path;
        _module = at.Model.AddModule(Path);
        _weight = tied?.Weight ?? at.Model.LoadWeight(at.Config.HiddenSize, 1, new WeightPart(Path + ".weight", at.Config.VocabSize));
    }

    public string Path { get; }

    /// <summary>[n, vocabulary] of x [n, hidden].</summary>
    public Tensor Forward(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor logits = f.Arena.Allocate(Path, DType.F32, x.NumRows, _weight.OutFeatures);
        Ops.Linear(f.Device, logits, x, _weight);
        f.Observer?.Completed(Path, logits);
        return logits;
    }
}
