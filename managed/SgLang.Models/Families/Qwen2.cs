using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Qwen2 and Qwen2.5: Llama with biases on q, k and v. https://arxiv.org/abs/2412.15115</summary>
public sealed class Qwen2ForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, qkvBias: true, outputBias: false);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly GatedMlp _mlp = new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = _attention.AddToAndNormalize(f, x, new NormedRows(x, _inputNorm), _postAttentionNorm);
            _mlp.AddTo(f, x, h);
        }
    }
}
