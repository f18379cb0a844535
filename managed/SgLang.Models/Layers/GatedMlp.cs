using SgLang.Runtime;

namespace SgLang.Models.Layers;

/// <summary>SwiGLU: down(silu(gate(x)) * up(x)). https://arxiv.org/abs/2002.05202</summary>
public sealed class GatedMlp
{
    private readonly int _module;
    private readonly Linear _gateUp;
    private readonly Linear _down;

    public GatedMlp(ModuleScope at, long intermediateSize, bool hasBias = false)
    {
        ModelConfig c = at.Config;
        Path = at.Path;
        _module = at.Model.AddModule(Path);
        _gateUp = new Linear(at / "gate_up_proj", c.HiddenSize, hasBias, ("gate_proj", intermediateSize), ("up_proj", intermediateSize));
        _down = new Linear(at / "down_proj", intermediateSize, c.HiddenSize, hasBias);
    }

    public string Path { get; }

    /// <summary>stream += mlp(x); both [n, hidden].</summary>
    public void AddTo(ForwardContext f, in Tensor stream, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        _down.AddTo(f, stream, _gateUp.Forward(f, x, Epilogue.SiluMul));
    }

    public Tensor Forward(ForwardContext f, in Tensor x)
    {
        using ModuleSpan span = f.Enter(_module, in x);
        return _down.Forward(f, _gateUp.Forward(f, x, Epilogue.SiluMul));
    }
}
