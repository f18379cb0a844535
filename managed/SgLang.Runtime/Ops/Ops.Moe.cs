using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>Softmax over all experts, then the top k: weights F32 and ids I32, both [n, k], from logits [n, experts].</summary>
    public static void MoeRoute(DeviceContext context, in Tensor expertWeights, in Tensor expertIds, in Tensor routerLogits, bool renormalize)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.MoeRoute);
        if (span.IsOn) span.Describe(in routerLogits, new OperatorCost(5 * routerLogits.NumElements, routerLogits.NumBytes + expertWeights.NumBytes + expertIds.NumBytes));
        fixed (Tensor* pw = &expertWeights, pi = &expertIds, pl = &routerLogits)
            Check(sgl_moe_route(context.Handle, (SglTensor*)pw, (SglTensor*)pi, (SglTensor*)pl, renormalize ? 1 : 0));
    }

    /// <summary>y = residual + sum over k of weight * down_e(silu(gate_e(x)) * up_e(x)); y must not alias x.</summary>
    /// <param name="gateUp">[experts, 2 * intermediate, hidden]</param>
    /// <param name="down">[experts, hidden, intermediate]</param>
    /// <param name="residual">[n, hidden], or none; may be y.</param>
    /// <param name="routerLogits">[n, experts of all ranks], or none: <see cref="MoeRoute"/> of them comes first, in the same kernels where there are few tokens.</param>
    public static void MoeExperts(DeviceContext context, in Tensor y, in Tensor x, in Tensor expertWeights, in Tensor expertIds,
                                  PackedWeight gateUp, PackedWeight down, int firstExpert = 0, in Tensor residual = default,
                                  in Tensor routerLogits = default, bool renormalize = false)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.MoeExperts);
        if (span.IsOn) span.Describe(in x, OperatorCosts.MoeExperts(in y, in x, in expertIds, gateUp, down, in residual, in routerLogits));
        fixed (Tensor* py = &y, px = &x, pw = &expertWeights, pi = &expertIds, pr = &residual, pl = &routerLogits)
        {
            var args = new SglMoeArgs
            {
                Y = (SglTensor*)py,
                X = (SglTensor*)px,
                ExpertWeights = (SglTensor*)pw,
                ExpertIds = (SglTensor*)pi,
                GateUp = gateUp.Handle,
                Down = down.Handle,
                Residual = OrNull(pr),
                RouterLogits = OrNull(pl),
                FirstExpert = firstExpert,
                Renormalize = renormalize ? 1 : 0,
            };
            Check(sgl_moe_experts(context.Handle, &args));
        }
    }
}
