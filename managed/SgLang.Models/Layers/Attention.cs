using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// Grouped-query attention over the paged KV cache with rotary positions: project, (norm each head,) rotate, append, attend, project.
/// K is cached after the rotation.
/// </summary>
public sealed class Attention
{
    private readonly int _module;
    private readonly int _layer;
    private readonly int _kind;
    // This rank's.
    private readonly int _numHeads;
    private readonly int _numKvHeads;
    private readonly int _headDim;
    private readonly Linear _qkv;
    private readonly RmsNorm? _qNorm;
    private readonly RmsNorm? _kNorm;
    private readonly Rotary _rotary;
    private readonly RowParallelLinear _output;

    /// <param name="layer">Index of the decoder layer: its part of the KV cache and its window.</param>
    /// <param name="qkNorm">`q_norm` and `k_norm` [head_dim] are applied to each head before the rotation.</param>
    public Attention(ModuleScope at, int layer, bool qkvBias, bool outputBias, bool qkNorm = false)
    {
        ModelConfig c = at.Config;
        _layer = layer;
        Path = at.Path;
        RankShare share = at.Model.Share;
        _numHeads = (int)share.Heads.Count;
        _numKvHeads = (int)share.KvHeads.Count;
        _headDim = c.HeadDim;
        _module = at.Model.AddModule(new ModuleInfo
        {
            Path = Path,
            StaticParameters = [("num_heads", $"{_numHeads}"), ("num_kv_heads", $"{_numKvHeads}"), ("head_dim", $"{_headDim}"), ("window", $"{c.WindowOfLayer(layer)}")],
        });
        Shard q = share.Heads * _headDim, kv = share.KvHeads * _headDim;
        _qkv = new Linear(at / "qkv_proj", c.HiddenSize, qkvBias, ("q_proj", q), ("k_proj", kv), ("v_proj", kv));
        if (qkNorm) (_qNorm, _kNorm) = (new RmsNorm(at / "q_norm", _headDim), new RmsNorm(at / "k_norm", _headDim));
        _rotary = at.Model.Rotary;
        _output = new RowParallelLinear(at / "o_proj", q, c.HiddenSize, outputBias);
        _kind = at.Model.AddAttentionKind(new AttentionKind(c.WindowOfLayer(layer), Scale: (float)(1 / Math.Sqrt(_headDim)), SoftCap: 0));
    }

    public string Path { get; }

    /// <summary>stream += attention(x), both [n, hidden]; the norm of that.</summary>
    public NormedRows AddToAndNormalize(ForwardContext f, in Tensor stream, in NormedRows x, RmsNorm norm)
    {
        Tensor part = BeginAddTo(f, stream, x);
        return _output.EndAddTo(f, stream, part, norm);
    }

    /// <summary>This rank's part of attention(x), [n, hidden]; none where the rank has all of it and has added it.</summary>
    public Tensor BeginAddTo(ForwardContext f, in Tensor stream, in NormedRows x)
    {
        Tensor rows = x.Rows;
        using ModuleSpan span = f.Enter(_module, in rows);
        return _output.BeginAddTo(f, stream, Attend(f, x));
    }

    /// <summary>[n, heads * head_dim]</summary>
    private Tensor Attend(ForwardContext f, in NormedRows x)
    {
        // [n, (heads + 2 * kv_heads) * head_dim]; q, k and v are views of its columns.
        Tensor projected = _qkv.Forward(f, x);
        long qSize = (long)_numHeads * _headDim, kvSize = (long)_numKvHeads * _headDim;
        Tensor q = projected.Columns(0, qSize).SplitLast(_numHeads, _headDim);
        Tensor k = projected.Columns(qSize, kvSize).SplitLast(_numKvHeads, _headDim);
        Tensor v = projected.Columns(qSize + kvSize, kvSize).SplitLast(_numKvHeads, _headDim);
        _rotary.Append(f, _layer, q, k, v, _qNorm, _kNorm);

        Tensor attended = f.Arena.Allocate(Path, projected.DType, projected.NumRows, qSize);
        Ops.Attention(f.Device, f.Attention[_kind], attended.SplitLast(_numHeads, _headDim), q, f.KvCache.Keys(_layer), f.KvCache.Values(_layer));
        f.Observer?.Completed(Path, attended);
        return attended;
    }
}
