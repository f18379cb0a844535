using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// F32 logits over the vocabulary; its weight is its own or, where tied, the embedding's. Each rank of a tensor group computes a block of
/// columns, and all get the whole.
/// </summary>
public sealed class LmHead
{
    private readonly int _module;
    private readonly PackedWeight _weight;
    private readonly int _vocabularySize;
    private readonly int _tpSize;

    /// <param name="tied">The embedding whose weight is used; null to load `weight` [vocabulary, hidden] at this place.</param>
    public LmHead(ModuleScope at, Embedding? tied)
    {
        Path = at.Path;
        _weight = tied?.Weight ?? Embedding.Load(at).Weight;
        _vocabularySize = at.Config.VocabSize;
        _tpSize = at.Model.Place.TpSize;
        _module = at.Model.AddModule(ModuleInfo.Linear(Path, _weight, ownsWeight: tied is null, hasBias: false));
    }

    public string Path { get; }

    /// <summary>[n, vocabulary] of x [n, hidden]; with several ranks rows may have a gap of padding between them.</summary>
    public Tensor Forward(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor logits = f.Arena.Allocate(Path, DType.F32, x.NumRows, _weight.OutFeatures);
        Ops.Linear(f.Device, logits, x, _weight);
        if (_tpSize > 1)
        {
            Tensor all = f.Arena.Allocate(Path, DType.F32, x.NumRows, _tpSize * _weight.OutFeatures);
            f.AllGatherColumns(all, logits);
            logits = all.Columns(0, _vocabularySize);
        }
        f.Observer?.Completed(Path, logits);
        return logits;
    }
}
