using SgLang.Core;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// Rows of [vocabulary, hidden] by token id. Kept as a packed weight, so that a tied head is the same memory. Each rank of a tensor group has
/// a block of rows.
/// </summary>
public sealed class Embedding
{
    private readonly int _module;
    private readonly bool _isAlone;

    public Embedding(ModuleScope at)
    {
        Path = at.Path;
        _isAlone = at.Model.Place.AttentionTpSize == 1;
        (Weight, Rows) = Load(at);
        _module = at.Model.AddModule(new ModuleInfo
        {
            Path = Path,
            Parameters = [new ModuleParameter("weight", Weight.OutFeatures, Weight.InFeatures)],
            StaticParameters = [("num_embeddings", $"{at.Config.VocabSize}"), ("embedding_dim", $"{at.Config.HiddenSize}")],
        });
    }

    public string Path { get; }

    /// <summary>This rank's rows, padded to as many on every rank.</summary>
    public PackedWeight Weight { get; }
    public Shard Rows { get; }

    /// <summary>[n, hidden] of ids I32 [n].</summary>
    public Tensor Forward(ForwardContext f, in Tensor ids)
    {
        using ModuleSpan span = f.Enter(_module, in ids);
        Tensor y = f.Arena.Allocate(Path, Weight.DType, ids.NumRows, Weight.InFeatures);
        // One rank may have all rows of a tiny vocabulary while others have none.
        if (_isAlone)
        {
            Ops.Embedding(f.Device, y, Weight, ids);
        }
        else
        {
            Ops.EmbeddingShard(f.Device, y, Weight, ids, (int)Rows.First);
            f.AllReduce(y, y);
        }
        f.Observer?.Completed(Path, y);
        return y;
    }

    /// <summary>This rank's rows of a matrix [vocabulary, hidden] called `weight`.</summary>
    internal static (PackedWeight Weight, Shard Rows) Load(ModuleScope at)
    {
        RankPlace place = at.Model.Place;
        Shard rows = Shard.Vocabulary(at.Config.VocabSize, place.AttentionTpRank, place.AttentionTpSize, out long padded);
        return (at.Model.LoadWeight(padded, at.Config.HiddenSize, 1, new WeightPart(at.Path + ".weight", rows)), rows);
    }
}
