using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Qwen3 with sparse experts in the layers that config.json makes sparse, a dense MLP in the others. https://arxiv.org/abs/2505.09388</summary>
public sealed class Qwen3MoeForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, at.Config.AttentionBias, at.Config.AttentionBias, qkNorm: true);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly SparseMoe? _moe = at.Config.IsSparseLayer(layer)
            ? new(at / "mlp", at.Config.MoeIntermediateSize, at.Config.NormTopKProb, ExpertNames.Default) : null;
        private readonly GatedMlp? _mlp = at.Config.IsSparseLayer(layer) ? null : new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = new(x, _inputNorm);
            if (_moe is not null && SparseMoe.Exchanges(f, x))
            {
                _moe.AddExchanged(f, x, _attention.BeginAddTo(f, x, h), _postAttentionNorm);
                return;
            }
            h = _attention.AddToAndNormalize(f, x, h, _postAttentionNorm);
            _moe?.AddTo(f, x, h);
            _mlp?.AddTo(f, x, h);
        }
    }
}
