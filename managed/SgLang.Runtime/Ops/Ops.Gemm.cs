using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public enum Epilogue
{
    None = 0,

    /// <summary>silu(gate) * up: the weight's first half of rows makes gate, the rest up.</summary>
    SiluMul = 1,
}

public static unsafe partial class Ops
{
    /// <summary>y = epilogue(x * weight^T + bias) + residual, accumulated in f32.</summary>
    /// <param name="y">[n, out_features] in the activation type or F32; half as wide with <see cref="Epilogue.SiluMul"/>.</param>
    /// <param name="bias">[out_features], or none.</param>
    /// <param name="residual">[n, out_features], or none; may alias y.</param>
    public static void Linear(DeviceContext context, in Tensor y, in Tensor x, PackedWeight weight, in Tensor bias = default,
                              in Tensor residual = default, Epilogue epilogue = Epilogue.None)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Linear);
        if (span.IsOn) span.Describe(in x, OperatorCosts.Linear(in y, in x, weight, in bias, in residual));
        fixed (Tensor* py = &y, px = &x, pb = &bias, pr = &residual)
        {
            var args = new SglLinearArgs
            {
                Y = (SglTensor*)py,
                X = (SglTensor*)px,
                Weight = weight.Handle,
                Bias = OrNull(pb),
                Residual = OrNull(pr),
                Epilogue = (SglEpilogue)epilogue,
            };
            Check(sgl_linear(context.Handle, &args));
        }
    }
}
