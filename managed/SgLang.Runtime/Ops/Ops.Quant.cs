using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>y = x converted to y's type: F32, BF16 or F16, round to nearest even.</summary>
    public static void Convert(DeviceContext context, in Tensor y, in Tensor x)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Convert);
        if (span.IsOn) span.Describe(in x, OperatorCosts.Elementwise(0, in y, in x));
        fixed (Tensor* py = &y, px = &x)
            Check(sgl_convert(context.Handle, (SglTensor*)py, (SglTensor*)px));
    }
}
