using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Qwen3 dense: Llama with a norm on each head of q and k before the rotation. https://arxiv.org/abs/2505.09388</summary>
public sealed class Qwen3ForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, at.Config.AttentionBias, at.Config.AttentionBias, qkNorm: true);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly GatedMlp _mlp = new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = _attention.AddToAndNormalize(f, x, new NormedRows(x, _inputNorm), _postAttentionNorm);
            _mlp.AddTo(f, x, h);
        }
    }
}
