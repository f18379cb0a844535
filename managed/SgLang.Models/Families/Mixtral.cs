using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Mixtral: Mistral with sparse experts; the weights of the chosen ones sum to 1. https://arxiv.org/abs/2401.04088</summary>
public sealed class MixtralForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, qkvBias: false, outputBias: false);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly SparseMoe _moe = new(at / "block_sparse_moe", at.Config.IntermediateSize, renormalize: true, new ExpertNames("w1", "w3", "w2"));

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = new(x, _inputNorm);
            if (SparseMoe.Exchanges(f, x)) _moe.AddExchanged(f, x, _attention.BeginAddTo(f, x, h), _postAttentionNorm);
            else _moe.AddTo(f, x, _attention.AddToAndNormalize(f, x, h, _postAttentionNorm));
        }
    }
}
