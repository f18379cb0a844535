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
        Linear(context, y, x, default, 0, default, weight, bias, residual, epilogue, keepsNormed: false);
    }

    /// <summary><see cref="Linear(DeviceContext, in Tensor, in Tensor, PackedWeight, in Tensor, in Tensor, Epilogue)"/> of rows that are normalised first, as by <see cref="RmsNorm"/>.</summary>
    /// <param name="norm">[in_features]</param>
    /// <param name="normed">[n, in_features]: the normalised rows afterwards where <paramref name="keepsNormed"/>, else undefined.</param>
    public static void NormalizedLinear(DeviceContext context, in Tensor y, in Tensor x, in Tensor norm, float eps, in Tensor normed, PackedWeight weight,
                                        in Tensor bias = default, Epilogue epilogue = Epilogue.None, bool keepsNormed = false) =>
        Linear(context, y, x, norm, eps, normed, weight, bias, default, epilogue, keepsNormed);

    private static void Linear(DeviceContext context, in Tensor y, in Tensor x, in Tensor norm, float eps, in Tensor normed, PackedWeight weight, in Tensor bias,
                               in Tensor residual, Epilogue epilogue, bool keepsNormed)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Linear);
        if (span.IsOn) span.Describe(in x, OperatorCosts.Linear(in y, in x, weight, in bias, in residual));
        fixed (Tensor* py = &y, px = &x, pb = &bias, pr = &residual, pn = &norm, pw = &normed)
        {
            var args = new SglLinearArgs
            {
                Y = (SglTensor*)py,
                X = (SglTensor*)px,
                Weight = weight.Handle,
                Bias = OrNull(pb),
                Residual = OrNull(pr),
                Epilogue = (SglEpilogue)epilogue,
                Eps = eps,
                Norm = OrNull(pn),
                Normed = OrNull(pw),
                KeepsNormed = keepsNormed ? 1 : 0,
            };
            Check(sgl_linear(context.Handle, &args));
        }
    }
}
