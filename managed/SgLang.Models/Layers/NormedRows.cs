using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>Rows under a norm, already computed or left to the product that reads them, which may do it for less than a pass of its own.</summary>
public readonly struct NormedRows
{
    /// <summary>Up to which kernels of GPUs normalise what they multiply; elsewhere a norm of its own costs no more and shows in traces.</summary>
    private const int MaxRowsLeft = 8;

    private readonly RmsNorm? _norm;

    /// <summary>The norm of these rows, still to be computed. They must not change before that.</summary>
    public NormedRows(in Tensor rows, RmsNorm norm)
    {
        Rows = rows;
        _norm = norm;
    }

    /// <summary>What a norm has made.</summary>
    public NormedRows(in Tensor normed) => Rows = normed;

    /// <summary>[n, size]: the result, or what it is still to be computed from.</summary>
    public Tensor Rows { get; }

    /// <summary>The norm that the product shall apply, if any. One who observes modules sees all of them run.</summary>
    internal RmsNorm? NormLeft(ForwardContext f) => f.Device.Kind == DeviceKind.Cuda && Rows.NumRows <= MaxRowsLeft && f.Observer is null ? _norm : null;

    public Tensor Compute(ForwardContext f) => _norm is null ? Rows : _norm.Forward(f, Rows);
}
