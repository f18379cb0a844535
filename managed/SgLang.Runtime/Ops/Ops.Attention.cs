using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>Causal attention of q over the plan's pages; q and output are [n, q_heads, head_dim]. The step's K and V are already in the caches.</summary>
    /// <param name="sinks">F32 [q_heads], or none.</param>
    public static void Attention(DeviceContext context, AttentionPlan plan, in Tensor output, in Tensor q, in Tensor kCache, in Tensor vCache,
                                 in Tensor sinks = default)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Attention);
        if (span.IsOn) span.Describe(in q, OperatorCosts.Attention(in output, in q, plan.Desc));
        fixed (Tensor* po = &output, pq = &q, pk = &kCache, pv = &vCache, ps = &sinks)
            Check(sgl_attention_run(context.Handle, plan.Handle, (SglTensor*)po, (SglTensor*)pq, (SglTensor*)pk, (SglTensor*)pv, OrNull(ps)));
    }
}
