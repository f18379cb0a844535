using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public enum RopeLayout
{
    /// <summary>Pair (i, i + rotary_dim / 2).</summary>
    HalfSplit = 0,

    /// <summary>Pair (2i, 2i + 1).</summary>
    Interleaved = 1,
}

public static unsafe partial class Ops
{
    /// <summary>Rotates q [n, q_heads, head_dim] and k [n, kv_heads, head_dim] in place.</summary>
    /// <param name="positions">I32 [n], each in [0, max_position).</param>
    /// <param name="cosSin">F32 [max_position, rotary_dim]: cosines, then as many sines.</param>
    public static void Rope(DeviceContext context, in Tensor q, in Tensor k, in Tensor positions, in Tensor cosSin, RopeLayout layout = RopeLayout.HalfSplit)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Rope);
        if (span.IsOn) span.Describe(in q, new OperatorCost(3 * (q.NumElements + k.NumElements), 2 * (q.NumBytes + k.NumBytes) + positions.NumBytes));
        fixed (Tensor* pq = &q, pk = &k, pp = &positions, pc = &cosSin)
            Check(sgl_rope(context.Handle, (SglTensor*)pq, (SglTensor*)pk, (SglTensor*)pp, (SglTensor*)pc, (SglRopeLayout)layout));
    }
}
