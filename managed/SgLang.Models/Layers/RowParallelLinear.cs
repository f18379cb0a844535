using SgLang.Core;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>
/// y = x W^T + b with the columns of W, and so the features of x, cut over the ranks of a tensor group: each rank's product is a part of a
/// sum. The bias is on the first rank alone.
/// </summary>
public sealed class RowParallelLinear
{
    private readonly int _module;
    private readonly PackedWeight _weight;
    private readonly Tensor _bias;
    private readonly bool _isPart;

    /// <param name="at">Its `weight` is [outFeatures, inFeatures.Size] and its `bias`, if any, [outFeatures].</param>
    public RowParallelLinear(ModuleScope at, Shard inFeatures, long outFeatures, bool hasBias = false)
    {
        Path = at.Path;
        _isPart = !inFeatures.IsWhole;
        _weight = at.Model.LoadWeight(inFeatures.Count, 1, new WeightPart(Path + ".weight", outFeatures) { Columns = inFeatures });
        if (hasBias && inFeatures.First == 0) _bias = at.Model.LoadVector(new WeightPart(Path + ".bias", outFeatures));
        _module = at.Model.AddModule(ModuleInfo.Linear(Path, _weight, ownsWeight: true, hasBias));
    }

    public string Path { get; }

    /// <summary>stream += x W^T + b on every rank, the sum rounded once.</summary>
    /// <param name="x">[n, this rank's features]</param>
    public void AddTo(ForwardContext f, in Tensor stream, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        if (_isPart)
        {
            f.AllReduce(stream, Product(f, x, PartType(f, x)), stream);
        }
        else
        {
            Ops.Linear(f.Device, stream, x, _weight, _bias, residual: stream);
        }
        f.Observer?.Completed(Path, stream);
    }

    /// <summary>The first half of <see cref="AddTo"/>: this rank's part of the sum, or none where the rank has all of it and has added it.</summary>
    public Tensor BeginAddTo(ForwardContext f, in Tensor stream, in Tensor x)
    {
        if (!_isPart)
        {
            AddTo(f, stream, x);
            return default;
        }
        using ModuleSpan span = f.Enter(_module, in x);
        return Product(f, x, PartType(f, x));
    }

    /// <summary>The second half, and the norm of the sum, which several ranks take together.</summary>
    /// <param name="part">Of <see cref="BeginAddTo"/>.</param>
    public NormedRows EndAddTo(ForwardContext f, in Tensor stream, in Tensor part, RmsNorm norm)
    {
        if (!_isPart) return new NormedRows(stream, norm);
        Tensor y = norm.ForwardSum(f, stream, part);
        f.Observer?.Completed(Path, stream);
        return new NormedRows(y);
    }

    /// <summary>[n, out]: this rank's part of the sum, or all of it where there is one rank.</summary>
    public Tensor ForwardPart(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor y = Product(f, x, x.DType);
        f.Observer?.Completed(Path, y);
        return y;
    }

    /// <summary>Parts in f32 cost the CPU little and save a rounding for each rank; over NVLink half the bytes count for more.</summary>
    private static DType PartType(ForwardContext f, in Tensor x) => f.Device.Kind == DeviceKind.Cpu ? DType.F32 : x.DType;

    private Tensor Product(ForwardContext f, in Tensor x, DType dtype)
    {
        Tensor y = f.Arena.Allocate(Path, dtype, x.NumRows, _weight.OutFeatures);
        Ops.Linear(f.Device, y, x, _weight, _bias);
        return y;
    }
}
