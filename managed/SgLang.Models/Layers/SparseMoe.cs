using SgLang.Core;
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
/// https://arxiv.org/abs/2401.04088 Each rank of a tensor group has some experts, or a slice of each, and all ranks see all tokens: what a
/// rank computes is a part of the sum.
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
    private readonly int _firstExpert;
    private readonly bool _isPart;
    private readonly bool _renormalize;

    /// <param name="renormalize">The k weights are divided by their sum.</param>
    public SparseMoe(ModuleScope at, long intermediateSize, bool renormalize, ExpertNames names)
    {
        ModelConfig c = at.Config;
        Path = at.Path;
        _renormalize = renormalize;
        _expertsPerToken = c.NumExpertsPerToken;
        _module = at.Model.AddModule(new ModuleInfo
        {
            Path = Path,
            StaticParameters = [("num_experts", $"{c.NumExperts}"), ("top_k", $"{_expertsPerToken}"), ("renormalize", renormalize ? "True" : "False")],
        });
        _router = new Linear(at / "gate", c.HiddenSize, c.NumExperts);
        ModuleScope experts = at / "experts";
        _expertsPath = experts.Path;
        RankPlace place = at.Model.Place;
        Shard own = at.Model.Share.Experts, features = Shard.Even(intermediateSize, place.MoeTpRank, place.MoeTpSize);
        int numExperts = (int)own.Count;
        _firstExpert = (int)own.First;
        _isPart = !own.IsWhole || !features.IsWhole;
        _expertsModule = at.Model.AddModule(new ModuleInfo
        {
            Path = _expertsPath,
            Parameters =
            [
                new ModuleParameter("gate_up_proj", numExperts, 2 * features.Count, c.HiddenSize),
                new ModuleParameter("down_proj", numExperts, c.HiddenSize, features.Count),
            ],
        });
        var gateUpParts = new WeightPart[2 * numExperts];
        var downParts = new WeightPart[numExperts];
        for (int e = 0; e < numExperts; e++)
        {
            string expert = (experts / (_firstExpert + e)).Path;
            gateUpParts[2 * e] = new WeightPart($"{expert}.{names.Gate}.weight", features, e);
            gateUpParts[2 * e + 1] = new WeightPart($"{expert}.{names.Up}.weight", features, e);
            downParts[e] = new WeightPart($"{expert}.{names.Down}.weight", c.HiddenSize, e) { Columns = features };
        }
        _gateUp = at.Model.LoadWeight(c.HiddenSize, numExperts, gateUpParts);
        _down = at.Model.LoadWeight(features.Count, numExperts, downParts);
    }

    public string Path { get; }

    /// <summary>stream += moe(x); both [n, hidden].</summary>
    public void AddTo(ForwardContext f, in Tensor stream, in Tensor x)
    {
        Tensor y = ForwardPart(f, x);
        if (_isPart) f.AllReduce(stream, y, stream);
        else Ops.Add(f.Device, stream, stream, y);
    }

    /// <summary>[n, hidden]: this rank's part of the sum over ranks.</summary>
    public Tensor ForwardPart(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor scores = _router.ForwardF32(f, x);
        Tensor weights = f.Arena.Allocate("expert weights", DType.F32, x.NumRows, _expertsPerToken);
        Tensor ids = f.Arena.Allocate("expert ids", DType.I32, x.NumRows, _expertsPerToken);
        Ops.MoeRoute(f.Device, weights, ids, scores, _renormalize);
        f.Experts?.Count(_expertsPath, ids);
        Tensor y = f.Arena.Allocate(_expertsPath, x.DType, x.NumRows, x[1]);
        using (f.Enter(_expertsModule, in x)) Ops.MoeExperts(f.Device, y, x, weights, ids, _gateUp, _down, _firstExpert);
        f.Observer?.Completed(_expertsPath, y);
        return y;
    }
}
