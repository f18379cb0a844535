using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>y = x * rsqrt(mean(x^2) + eps) * weight over the last dimension, in f32. https://arxiv.org/abs/1910.07467</summary>
public sealed class RmsNorm
{
    private readonly int _module;

    public RmsNorm(ModuleScope at, long size)
    {
        Path = at.Path;
        _module = at.Model.AddModule(new ModuleInfo
        {
            Path = Path,
            Parameters = [new ModuleParameter("weight", size)],
            StaticParameters = [("eps", at.Config.RmsNormEps.ToString("R", System.Globalization.CultureInfo.InvariantCulture))],
        });
        Weight = at.Model.LoadVector(new WeightPart(Path + ".weight", size));
        Eps = (float)at.Config.RmsNormEps;
    }

    public string Path { get; }

    /// <summary>[size]</summary>
    public Tensor Weight { get; }
    public float Eps { get; }

    public Tensor Forward(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor y = f.Arena.Allocate(Path, x.DType, x.NumRows, x[1]);
        Ops.RmsNorm(f.Device, y, x, Weight, Eps);
        f.Observer?.Completed(Path, y);
        return y;
    }

    /// <summary>stream += sum over the tensor group of part; the norm of that.</summary>
    public Tensor ForwardSum(ForwardContext f, in Tensor stream, in Tensor part)
    {
        using ModuleSpan span = f.Enter(_module, in part);
        Tensor y = f.Arena.Allocate(Path, stream.DType, stream.NumRows, stream[1]);
        f.AllReduceAddRmsNorm(y, stream, part, Weight, Eps);
        f.Observer?.Completed(Path, y);
        return y;
    }
}
