using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// Grouped-query attention over the paged KV cache with rotary positions: project, (norm each head,) rotate, append, attend, project.
/// K is cached after the rotation.
/// </summary>
public sealed class Attention
{
    private readonly int layer;
    private readonly int kind;
    private readonly int numHeads;
    private readonly int numKvHeads;
    private readonly int headDim;
    private readonly Linear qkv;
    private readonly RmsNorm? qNorm;
    private readonly RmsNorm? kNorm;
    private readonly Rotary rotary;
    private readonly Linear output;

    /// <param name="layer">Index of the decoder layer: its part of the KV cache and its window.</param>
    /// <param name="qkNorm">`q_norm` and `k_norm` [head_dim] are applied to each head before the rotation.</param>
    public Attention(ModuleScope at, int layer, bool qkvBias, bool outputBias, bool qkNorm = false)
    {
        ModelConfig c = at.Config;
        this.layer = layer;
        Path = at.Path;
        numHeads = c.NumHeads;
        numKvHeads = c.NumKvHeads;
        headDim = c.HeadDim;
        at.Model.AddModule(Path);
        long qSize = (long)numHeads * headDim, kvSize = (long)numKvHeads * headDim;
        qkv = new Linear(at / "qkv_proj", c.HiddenSize, qkvBias, ("q_proj", qSize), ("k_proj", kvSize), ("v_proj", kvSize));
        if (qkNorm) (qNorm, kNorm) = (new RmsNorm(at / "q_norm", headDim), new RmsNorm(at / "k_norm", headDim));
        rotary = at.Model.Rotary;
        output = new Linear(at / "o_proj", qSize, c.HiddenSize, outputBias);
        kind = at.Model.AddAttentionKind(new AttentionKind(c.WindowOfLayer(layer), Scale: (float)(1 / Math.Sqrt(headDim)), SoftCap: 0));
    }

    public string Path { get; }

    /// <summary>stream += attention(x); both [n, hidden].</summary>
    public void AddTo(ForwardContext f, in Tensor stream, in Tensor x)
    {
        // [n, (heads + 2 * kv_heads) * head_dim]; q, k and v are views of its columns.
        Tensor projected = qkv.Forward(f, x);
        long qSize = (long)numHeads * headDim, kvSize = (long)numKvHeads * headDim;
        Tensor q = projected.Columns(0, qSize).SplitLast(numHeads, headDim);
        Tensor k = projected.Columns(qSize, kvSize).SplitLast(numKvHeads, headDim);
        Tensor v = projected.Columns(qSize + kvSize, kvSize).SplitLast(numKvHeads, headDim);
        qNorm?.InPlace(f, q);
        kNorm?.InPlace(f, k);
        rotary.InPlace(f, q, k);
        Ops.KvAppend(f.Device, f.KvCache.Keys(layer), f.KvCache.Values(layer), k, v, f.Slots);

        Tensor attended = f.Arena.Allocate(Path, x.DType, x.NumRows, qSize);
        Ops.Attention(f.Device, f.Attention[kind], attended.SplitLast(numHeads, headDim), q, f.KvCache.Keys(layer), f.KvCache.Values(layer));
        f.Observer?.Completed(Path, attended);
        output.AddTo(f, stream, attended);
    }
}
