using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>SwiGLU: down(silu(gate(x)) * up(x)). https://arxiv.org/abs/2002.05202</summary>
public sealed class GatedMlp
{
    private readonly int _module;
    private readonly Linear _gateUp;
    private readonly RowParallelLinear _down;

    public GatedMlp(ModuleScope at, long intermediateSize, bool hasBias = false)
    {
        ModelConfig c = at.Config;
        Path = at.Path;
        _module = at.Model.AddModule(Path);
        Shard own = Shard.Even(intermediateSize, at.Model.Place.TpRank, at.Model.Place.TpSize);
        _gateUp = new Linear(at / "gate_up_proj", c.HiddenSize, hasBias, ("gate_proj", own), ("up_proj", own));
        _down = new RowParallelLinear(at / "down_proj", own, c.HiddenSize, hasBias);
    }

    public string Path { get; }

    /// <summary>stream += mlp(x); both [n, hidden].</summary>
    public void AddTo(ForwardContext f, in Tensor stream, in NormedRows x)
    {
        if (f.Spread is { } spread)
        {
            spread.AddOwn(f, stream, ForwardPart(f, spread.Gather(f, x.Compute(f))));
            return;
        }
        Tensor rows = x.Rows;
        using ModuleSpan span = f.Enter(_module, in rows);
        _down.AddTo(f, stream, _gateUp.Forward(f, x, Epilogue.SiluMul));
    }

    /// <summary>[n, hidden]: this rank's part of the sum over ranks.</summary>
    public Tensor ForwardPart(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        return _down.ForwardPart(f, _gateUp.Forward(f, x, Epilogue.SiluMul));
    }
}
