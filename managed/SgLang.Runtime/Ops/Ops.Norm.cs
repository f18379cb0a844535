using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>y = x * rsqrt(mean(x^2) + eps) * weight over the last dimension; y may alias x.</summary>
    public static void RmsNorm(DeviceContext context, in Tensor y, in Tensor x, in Tensor weight, float eps)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.RmsNorm);
        if (span.IsOn) span.Describe(in x, OperatorCosts.Elementwise(4, in y, in x, in weight));
        fixed (Tensor* py = &y, px = &x, pw = &weight)
            Check(sgl_rms_norm(context.Handle, (SglTensor*)py, (SglTensor*)px, (SglTensor*)pw, eps));
    }

    /// <summary>residual += x, then y = rms_norm(residual); y may alias x.</summary>
    public static void AddRmsNorm(DeviceContext context, in Tensor y, in Tensor residual, in Tensor x, in Tensor weight, float eps)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.AddRmsNorm);
        if (span.IsOn) span.Describe(in x, new OperatorCost(5 * y.NumElements, y.NumBytes + x.NumBytes + 2 * residual.NumBytes + weight.NumBytes));
        fixed (Tensor* py = &y, pr = &residual, px = &x, pw = &weight)
            Check(sgl_add_rms_norm(context.Handle, (SglTensor*)py, (SglTensor*)pr, (SglTensor*)px, (SglTensor*)pw, eps));
    }
}
