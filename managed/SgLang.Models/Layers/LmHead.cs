using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// F32 logits over the vocabulary; its weight is its own or, where tied, the embedding's. Each rank of a tensor group computes a block of
/// columns; all get the whole, or only the largest logit of each row.
/// </summary>
public sealed class LmHead
{
    private readonly int _module;
    private readonly PackedWeight _weight;
    private readonly int _vocabularySize;
    private readonly int _tpSize;
    private readonly Shard _columns;

    /// <param name="tied">The embedding whose weight is used; null to load `weight` [vocabulary, hidden] at this place.</param>
    public LmHead(ModuleScope at, Embedding? tied)
    {
        Path = at.Path;
        (_weight, _columns) = tied is null ? Embedding.Load(at) : (tied.Weight, tied.Rows);
        _vocabularySize = at.Config.VocabSize;
        _tpSize = at.Model.Place.AttentionTpSize;
        _module = at.Model.AddModule(ModuleInfo.Linear(Path, _weight, ownsWeight: tied is null, hasBias: false));
    }

    public string Path { get; }

    /// <summary>This rank's columns of the logits of x [n, hidden], and padding: [n, columns of each rank]; for one rank the whole.</summary>
    public Tensor ForwardOwn(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor logits = f.Arena.Allocate(Path, DType.F32, x.NumRows, _weight.OutFeatures);
        Ops.Linear(f.Device, logits, x, _weight);
        return logits;
    }

    /// <summary>[n, vocabulary] on every rank; with several, rows may have a gap of padding between them.</summary>
    /// <param name="own">Of <see cref="ForwardOwn"/>.</param>
    public Tensor Whole(ForwardContext f, in Tensor own)
    {
        Tensor logits = own;
        if (_tpSize > 1)
        {
            Tensor all = f.Arena.Allocate(Path, DType.F32, own.NumRows, _tpSize * own[1]);
            f.AllGatherColumns(all, own);
            logits = all.Columns(0, _vocabularySize);
        }
        f.Observer?.Completed(Path, logits);
        return logits;
    }

    /// <summary>ids I32 [n] = the largest logit of each row, ties to the lower id: 8 bytes a row and rank are gathered instead of the logits.</summary>
    /// <param name="own">Of <see cref="ForwardOwn"/>.</param>
    public void Argmax(ForwardContext f, in Tensor ids, in Tensor own)
    {
        Tensor best = f.Arena.Allocate("best of own columns", DType.I32, own.NumRows, 2);
        Ops.ArgmaxShard(f.Device, best, own.Columns(0, _columns.Count), (int)_columns.First);
        if (_tpSize > 1)
        {
            Tensor all = f.Arena.Allocate("best of all ranks", DType.I32, own.NumRows, 2 * _tpSize);
            f.AllGatherColumns(all, best);
            best = all;
        }
        Ops.ArgmaxMerge(f.Device, ids, best);
    }
}
