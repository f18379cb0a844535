using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>
/// Qwen1.5-MoE and Qwen2-MoE: Qwen2 attention; sparse layers add one shared expert, scaled by sigmoid(gate(h)), to the routed ones.
/// https://arxiv.org/abs/2407.10671
/// </summary>
public sealed class Qwen2MoeForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, qkvBias: true, outputBias: false);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly SharedMoe? _moe = at.Config.IsSparseLayer(layer) ? new(at / "mlp") : null;
        private readonly GatedMlp? _mlp = at.Config.IsSparseLayer(layer) ? null : new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = _attention.AddToAndNormalize(f, x, new NormedRows(x, _inputNorm), _postAttentionNorm);
            _moe?.AddTo(f, x, h);
            _mlp?.AddTo(f, x, h);
        }
    }

    private sealed class SharedMoe(ModuleScope at)
    {
        private readonly SparseMoe _routed = new(at, at.Config.MoeIntermediateSize, at.Config.NormTopKProb, ExpertNames.Default);
        private readonly GatedMlp _shared = new(at / "shared_expert", at.Config.SharedExpertIntermediateSize);
        private readonly bool _isPart = at.Model.Place.TpSize > 1;
        private readonly Linear _sharedGate = new(at / "shared_expert_gate", at.Config.HiddenSize, 1);

        public void AddTo(ForwardContext f, in Tensor stream, in NormedRows x)
        {
            Tensor h;
            if (_isPart)
            {
                h = x.Compute(f);
                // One sum over ranks for both.
                if (f.Spread is { } spread) spread.AddOwn(f, stream, Part(f, spread.Gather(f, h)));
                else f.AllReduce(stream, Part(f, h), stream);
                return;
            }
            h = _routed.AddTo(f, stream, x);
            Ops.AddSigmoidGated(f.Device, stream, _shared.ForwardPart(f, h), _sharedGate.Forward(f, h));
        }

        private Tensor Part(ForwardContext f, in Tensor h)
        {
            Tensor part = _routed.ForwardPart(f, h);
            Ops.AddSigmoidGated(f.Device, part, _shared.ForwardPart(f, h), _sharedGate.Forward(f, h));
            return part;
        }
    }
}
