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

    /// <summary>
    /// In one pass: q [n, q_heads, head_dim] is normalised and rotated in place, k [n, kv_heads, head_dim] likewise into its cache, v into its
    /// own. What k holds afterwards is undefined.
    /// </summary>
    /// <param name="kCache">[num_pages, kv_heads, page_size, head_dim], like vCache.</param>
    /// <param name="slots">I32 [n]; page * page_size + row.</param>
    /// <param name="positions">I32 [n], each in [0, max_position).</param>
    /// <param name="cosSin">F32 [max_position, rotary_dim]: cosines, then as many sines.</param>
    /// <param name="qNorm">[head_dim], with kNorm, or neither: weights of an RMS norm over each head.</param>
    public static void RopeAppend(DeviceContext context, in Tensor q, in Tensor k, in Tensor v, in Tensor kCache, in Tensor vCache, in Tensor slots,
                                  in Tensor positions, in Tensor cosSin, in Tensor qNorm = default, in Tensor kNorm = default, float eps = 0,
                                  RopeLayout layout = RopeLayout.HalfSplit)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.RopeAppend);
        if (span.IsOn)
        {
            long rotated = q.NumElements + k.NumElements;
            span.Describe(in q, new OperatorCost((qNorm.IsNone ? 3 : 7) * rotated, 2 * (q.NumBytes + k.NumBytes + v.NumBytes) + slots.NumBytes + positions.NumBytes));
        }
        fixed (Tensor* pq = &q, pk = &k, pv = &v, pkc = &kCache, pvc = &vCache, ps = &slots, pp = &positions, pc = &cosSin, pqn = &qNorm, pkn = &kNorm)
        {
            var args = new SglRopeAppendArgs
            {
                Q = (SglTensor*)pq,
                K = (SglTensor*)pk,
                V = (SglTensor*)pv,
                KCache = (SglTensor*)pkc,
                VCache = (SglTensor*)pvc,
                Slots = (SglTensor*)ps,
                Positions = (SglTensor*)pp,
                CosSin = (SglTensor*)pc,
                QNorm = OrNull(pqn),
                KNorm = OrNull(pkn),
                Eps = eps,
                Layout = (SglRopeLayout)layout,
            };
            Check(sgl_rope_append(context.Handle, &args));
        }
    }
}
