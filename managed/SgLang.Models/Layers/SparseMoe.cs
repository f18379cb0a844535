using SgLang.Core;
using SgLang.Models.Experts;
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
/// https://arxiv.org/abs/2401.04088 Each rank of a tensor group has some experts, or a slice of each. Either all ranks see all tokens, and what a
/// rank computes is a part of the sum, or the ranks exchange tokens (<see cref="ExpertExchangeRule"/>).
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

    /// <summary>stream += moe(x), both [n, hidden]; x, computed.</summary>
    public Tensor AddTo(ForwardContext f, in Tensor stream, in NormedRows x)
    {
        if (f.Spread is { } spread)
        {
            Tensor own = x.Compute(f);
            spread.AddOwn(f, stream, ForwardPart(f, spread.Gather(f, own)));
            return own;
        }
        Tensor normed;
        if (_isPart)
        {
            normed = x.Compute(f);
            f.AllReduce(stream, ForwardPart(f, normed), stream);
            return normed;
        }
        using ModuleSpan span = f.Enter(_module, in stream);
        Tensor scores = _router.ForwardF32(f, x, out normed);
        RunExperts(f, stream, normed, scores, stream);
        return normed;
    }

    /// <summary>[n, hidden]: this rank's part of the sum over ranks.</summary>
    public Tensor ForwardPart(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        Tensor y = f.Arena.Allocate(_expertsPath, x.DType, x.NumRows, x[1]);
        RunExperts(f, y, x, _router.ForwardF32(f, x), default);
        return y;
    }

    /// <summary>Whether this pass deals its tokens out over the ranks (<see cref="AddExchanged"/>) instead of all of them computing on all.</summary>
    public static bool Exchanges(ForwardContext f, in Tensor stream) => f.Exchange is { } exchange && !f.IsReplayed && exchange.Rule.Serves(stream.NumRows);

    /// <summary>
    /// stream += sum over ranks of part; stream += moe(norm(stream)), both [n, hidden]. Each rank norms and routes its share of the tokens, sends
    /// them to the ranks of their experts, and puts together what comes back.
    /// </summary>
    /// <param name="part">What attention leaves to be summed; see <see cref="Attention.BeginAddTo"/>.</param>
    public void AddExchanged(ForwardContext f, in Tensor stream, in Tensor part, RmsNorm norm)
    {
        ExpertExchange exchange = f.Exchange!;
        ExpertExchangeRule rule = exchange.Rule;
        Tensor share = exchange.SumOwn(f, stream, part);
        Tensor own = share.Rows(0, ExpertExchangePlan.Own(stream.NumRows, rule.Rank, rule.NumRanks).Count);
        Tensor x = norm.Forward(f, own);
        using ModuleSpan span = f.Enter(_module, in x);
        (Tensor weights, Tensor ids) = Route(f, x, share.NumRows);
        ExpertExchange.Dispatched dispatched = exchange.Dispatch(f, x, weights, ids, _expertsPath, stream.NumRows);
        exchange.Combine(f, own, RunExperts(f, dispatched.Rows, dispatched.Weights, dispatched.Ids), dispatched);
        exchange.GatherAll(f, stream, share);
    }

    /// <summary>F32 weights and I32 ids [rows, k], of which the first are x's.</summary>
    private (Tensor Weights, Tensor Ids) Route(ForwardContext f, in Tensor x, long rows)
    {
        Tensor scores = _router.ForwardF32(f, x);
        Tensor weights = f.Arena.Allocate("expert weights", DType.F32, rows, _expertsPerToken);
        Tensor ids = f.Arena.Allocate("expert ids", DType.I32, rows, _expertsPerToken);
        Ops.MoeRoute(f.Device, weights.Rows(0, x.NumRows), ids.Rows(0, x.NumRows), scores, _renormalize);
        return (weights, ids);
    }

    /// <summary>y = residual + what this rank's experts make of x, routed by the scores; all [n, hidden].</summary>
    private void RunExperts(ForwardContext f, in Tensor y, in Tensor x, in Tensor scores, in Tensor residual)
    {
        Tensor weights = f.Arena.Allocate("expert weights", DType.F32, x.NumRows, _expertsPerToken);
        Tensor ids = f.Arena.Allocate("expert ids", DType.I32, x.NumRows, _expertsPerToken);
        using (f.Enter(_expertsModule, in x)) Ops.MoeExperts(f.Device, y, x, weights, ids, _gateUp, _down, _firstExpert, residual, scores, _renormalize);
        if (f.Experts is { } counter)
        {
            if (f.Spread is { } spread) spread.Count(counter, _expertsPath, ids);
            else counter.Count(_expertsPath, ids);
        }
        f.Observer?.Completed(_expertsPath, y);
    }

    /// <summary>[n, hidden]: what this rank's experts make of x, which has been routed.</summary>
    private Tensor RunExperts(ForwardContext f, in Tensor x, in Tensor weights, in Tensor ids)
    {
        Tensor y = f.Arena.Allocate(_expertsPath, x.DType, x.NumRows, x[1]);
        using (f.Enter(_expertsModule, in x)) Ops.MoeExperts(f.Device, y, x, weights, ids, _gateUp, _down, _firstExpert);
        f.Observer?.Completed(_expertsPath, y);
        return y;
    }
}
