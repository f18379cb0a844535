using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>Rotary position embedding over a table of all positions, shared by every layer. https://arxiv.org/abs/2104.09864</summary>
public sealed class Rotary
{
    // F32 [max_positions, rotary_dim]
    private readonly Tensor _cosSin;

    public Rotary(ModelBuilder model)
    {
        RopeConfig rope = model.Config.Rope;
        _cosSin = model.Allocate("rotary table", DType.F32, model.MaxPositions, rope.RotaryDim);
        if (model.Device.IsMeta) return;
        const int BlockRows = 1024;
        var block = new float[BlockRows * rope.RotaryDim];
        for (int start = 0; start < model.MaxPositions; start += BlockRows)
        {
            int rows = Math.Min(BlockRows, model.MaxPositions - start);
            Span<float> values = block.AsSpan(0, rows * rope.RotaryDim);
            RotaryTable.Fill(rope, start, values);
            model.Device.Upload<float>(_cosSin.Rows(start, rows), values);
        }
    }

    /// <summary>
    /// Norms each head (where the model has norms), rotates q [n, heads, dim] in place by the step's positions, and puts k, likewise treated,
    /// and v, both [n, kv_heads, dim], where the step's slots say.
    /// </summary>
    public void Append(ForwardContext f, int layer, in Tensor q, in Tensor k, in Tensor v, RmsNorm? qNorm, RmsNorm? kNorm) =>
        Ops.RopeAppend(f.Device, q, k, v, f.KvCache.Keys(layer), f.KvCache.Values(layer), f.Slots, f.Positions, _cosSin,
            qNorm?.Weight ?? default, kNorm?.Weight ?? default, qNorm?.Eps ?? 0);
}
