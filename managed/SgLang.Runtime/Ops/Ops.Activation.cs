using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>y [n, w] = silu(gateUp[:, :w]) * gateUp[:, w:].</summary>
    public static void SiluMul(DeviceContext context, in Tensor y, in Tensor gateUp)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.SiluMul);
        if (span.IsOn) span.Describe(in gateUp, OperatorCosts.Elementwise(5, in y, in gateUp));
        fixed (Tensor* py = &y, pg = &gateUp)
            Check(sgl_silu_mul(context.Handle, (SglTensor*)py, (SglTensor*)pg));
    }

    /// <summary>y = a + b; y may alias either.</summary>
    public static void Add(DeviceContext context, in Tensor y, in Tensor a, in Tensor b)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Add);
        if (span.IsOn) span.Describe(in a, OperatorCosts.Elementwise(1, in y, in a, in b));
        fixed (Tensor* py = &y, pa = &a, pb = &b)
            Check(sgl_add(context.Handle, (SglTensor*)py, (SglTensor*)pa, (SglTensor*)pb));
    }

    /// <summary>y [n, w] += x [n, w] * sigmoid(gate [n, 1]).</summary>
    public static void AddSigmoidGated(DeviceContext context, in Tensor y, in Tensor x, in Tensor gate)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.AddSigmoidGated);
        if (span.IsOn) span.Describe(in x, OperatorCosts.Elementwise(5, in y, in x, in y));
        fixed (Tensor* py = &y, px = &x, pg = &gate)
            Check(sgl_add_sigmoid_gated(context.Handle, (SglTensor*)py, (SglTensor*)px, (SglTensor*)pg));
    }
}
