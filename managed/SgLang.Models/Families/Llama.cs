using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Llama 2, 3, 3.1, 3.2 and everything of the same shape. https://arxiv.org/abs/2407.21783</summary>
public sealed class LlamaForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, at.Config.AttentionBias, at.Config.AttentionBias);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly GatedMlp _mlp = new(at / "mlp", at.Config.IntermediateSize, at.Config.MlpBias);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = _attention.AddToAndNormalize(f, x, new NormedRows(x, _inputNorm), _postAttentionNorm);
            _mlp.AddTo(f, x, h);
        }
    }
}
