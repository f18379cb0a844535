using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>What a family calls the three matrices of an expert.</summary>
public readonly record struct ExpertNames(string Gate, string Up, string Down)
{
    public static ExpertNames Default => new("gate_proj", "up_proj", "down_proj");
}

/// <summary>
/// A router and its experts, each a SwiGLU MLP: softmax over all experts in f32, the k largest, their outputs summed by weight.
/// https://arxiv.org/abs/2401.04088
/// </summary>
public sealed class SparseMoe
{
    private readonly int _module;
    private readonly int _expertsModule;
    private readonly Linear _router;
    private readonly string _expertsPath;
    private readonly PackedWeight _gateUp;
    private readonly PackedWeight _down;
    private readonly int _expertsPerToken;
    private readonly bool _renormalize;

    /// <param name="renormalize">The k weights are divided by their sum.</param>
    public SparseMoe(ModuleScope at, long intermediateSize, bool renormalize, ExpertNames names)
    {
        ModelConfig c = at.Config;
        Path = at.Path;
        _renormalize = renormalize;
        _expertsPerToken = c.NumExpertsPerToken;
        _module = at.Model.AddModule(Path);
        _router = new Linear(at / "gate", c.HiddenSize, c.NumExperts);
        ModuleScope experts = at / "experts";
        _expertsPath = experts.Path;
        _expertsModule = at.Model.AddModule(_expertsPath);
        var gateUpParts = new WeightPart[2 * c.NumExperts];
        var downParts = new WeightPart[c.NumExperts];
        for (int e = 0; e < c.NumExperts; e++)
        {
            string expert = (experts / e).Path;
            gateUpParts[2 * e] = new WeightPart($"{expert}.{names.Gate}.weight", intermediateSize, e);
            gateUpParts[2 * e + 1] = new WeightPart($"{expert}.{names.Up}.weight", intermediateSize, e);
            downParts[e] = new WeightPart($"{expert}.{names.Down}.weight", c.HiddenSize, e);
        }
        _gateUp = at.Model.LoadWeight(c.HiddenSize, c.NumExperts, gateUpParts);
        _down = at.Model.LoadWeight(intermediateSize, c.NumExperts, downParts);
    }

    public string Path { get; }

    /// <summary>stream += moe(x); both [n, hidden].</summary>
    public void AddTo(ForwardContext f, in Tensor stream, in Tensor x) => Ops.Add(f.Device, stream, stream, Forward(f, x));

    /// <summary>[n, hidden]</summary>
    public Tensor Forward(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor scores = _router.ForwardF32(f, x);
        Tensor weights = f.Arena.Allocate("expert weights", DType.F32, x.NumRows, _expertsPerToken);
        Tensor ids = f.Arena.Allocate("expert ids", DType.I32, x.NumRows, _expertsPerToken);
        Ops.MoeRoute(f.Device, weights, ids, scores, _renormalize);
        Tensor y = f.Arena.Allocate(_expertsPath, x.DType, x.NumRows, x[1]);
        using (f.Enter(_expertsModule, in x)) Ops.MoeExperts(f.Device, y, x, weights, ids, _gateUp, _down);
        f.Observer?.Completed(_expertsPath, y);
        return y;
    }
}
