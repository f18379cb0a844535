using SgLang.Core;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// y = x W^T + b. Several projections of one input may be stacked into one product. Rows of W, and so the features of y, may be this rank's
/// share.
/// </summary>
public sealed class Linear
{
    /// <summary>Up to which the few blocks of a router's product are done with the rows under the norm sooner than a norm of its own.</summary>
    private const int MaxNormedRows = 2;

    private readonly int _module;
    private readonly PackedWeight _weight;
    private readonly Tensor _bias;

    /// <param name="at">Its `weight` is [outFeatures, inFeatures] and its `bias`, if any, [outFeatures].</param>
    public Linear(ModuleScope at, long inFeatures, long outFeatures, bool hasBias = false)
    {
        Path = at.Path;
        _weight = at.Model.LoadWeight(inFeatures, 1, new WeightPart(Path + ".weight", outFeatures));
        if (hasBias) _bias = at.Model.LoadVector(new WeightPart(Path + ".bias", outFeatures));
        _module = at.Model.AddModule(ModuleInfo.Linear(Path, _weight, ownsWeight: true, hasBias));
    }

    /// <param name="at">The merged module, such as "self_attn.qkv_proj"; its parts are its siblings in the checkpoint.</param>
    /// <param name="parts">Names of the parts and this rank's rows of each, in the order of the output's columns.</param>
    public Linear(ModuleScope at, long inFeatures, bool hasBias, params ReadOnlySpan<(string Name, Shard Rows)> parts)
    {
        Path = at.Path;
        string parent = Path[..(Path.LastIndexOf('.') + 1)];
        var weights = new WeightPart[parts.Length];
        var biases = new WeightPart[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            weights[i] = new WeightPart($"{parent}{parts[i].Name}.weight", parts[i].Rows);
            biases[i] = new WeightPart($"{parent}{parts[i].Name}.bias", parts[i].Rows);
        }
        _weight = at.Model.LoadWeight(inFeatures, 1, weights);
        if (hasBias) _bias = at.Model.LoadVector(biases);
        _module = at.Model.AddModule(ModuleInfo.Linear(Path, _weight, ownsWeight: true, hasBias));
    }

    public string Path { get; }

    /// <summary>[n, out] in x's type; half as wide with <see cref="Epilogue.SiluMul"/>.</summary>
    public Tensor Forward(ForwardContext f, in Tensor x, Epilogue epilogue = Epilogue.None)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor y = f.Arena.Allocate(Path, x.DType, x.NumRows, Width(epilogue));
        Ops.Linear(f.Device, y, x, _weight, _bias, epilogue: epilogue);
        f.Observer?.Completed(Path, y);
        return y;
    }

    /// <summary>The same of rows whose norm may still have to be computed.</summary>
    public Tensor Forward(ForwardContext f, in NormedRows x, Epilogue epilogue = Epilogue.None)
    {
        if (x.NormLeft(f) is not { } norm) return Forward(f, x.Compute(f), epilogue);
        Tensor rows = x.Rows;
        Tensor normed = f.Arena.Allocate(norm.Path, rows.DType, rows.NumRows, rows[1]);
        using ModuleSpan span = f.Enter(_module, in rows);
        Tensor y = f.Arena.Allocate(Path, rows.DType, rows.NumRows, Width(epilogue));
        Ops.NormalizedLinear(f.Device, y, rows, norm.Weight, norm.Eps, normed, _weight, _bias, epilogue);
        return y;
    }

    /// <summary>[n, out] in F32: scores that must not be rounded; and what they are of.</summary>
    public Tensor ForwardF32(ForwardContext f, in NormedRows x, out Tensor normed)
    {
        if (x.Rows.NumRows > MaxNormedRows || x.NormLeft(f) is not { } norm)
        {
            normed = x.Compute(f);
            return ForwardF32(f, normed);
        }
        Tensor rows = x.Rows;
        normed = f.Arena.Allocate(norm.Path, rows.DType, rows.NumRows, rows[1]);
        using ModuleSpan span = f.Enter(_module, in rows);
        Tensor y = f.Arena.Allocate(Path, DType.F32, rows.NumRows, _weight.OutFeatures);
        Ops.NormalizedLinear(f.Device, y, rows, norm.Weight, norm.Eps, normed, _weight, keepsNormed: true);
        return y;
    }

    /// <summary>[n, out] in F32: scores that must not be rounded.</summary>
    public Tensor ForwardF32(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor y = f.Arena.Allocate(Path, DType.F32, x.NumRows, _weight.OutFeatures);
        Ops.Linear(f.Device, y, x, _weight, _bias);
        f.Observer?.Completed(Path, y);
        return y;
    }

    private long Width(Epilogue epilogue) => epilogue == Epilogue.SiluMul ? _weight.OutFeatures / 2 : _weight.OutFeatures;
}
