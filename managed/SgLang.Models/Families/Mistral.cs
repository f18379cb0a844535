using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>
/// Mistral: Llama with a sliding window where config.json gives one; `"sliding_window": null` over it attends in full.
/// https://arxiv.org/abs/2310.06825
/// </summary>
public sealed class MistralForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm _inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention _attention = new(at / "self_attn", layer, qkvBias: false, outputBias: false);
        private readonly RmsNorm _postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly GatedMlp _mlp = new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            NormedRows h = _attention.AddToAndNormalize(f, x, new NormedRows(x, _inputNorm), _postAttentionNorm);
            _mlp.AddTo(f, x, h);
        }
    }
}
