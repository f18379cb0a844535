using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models.Families;

/// <summary>Qwen3 with sparse experts in the layers that config.json makes sparse, a dense MLP in the others. https://arxiv.org/abs/2505.09388</summary>
public sealed class Qwen3MoeForCausalLM(ModelBuilder model) : CausalLm(model, static (at, layer) => new Block(at, layer))
{
    private sealed class Block(ModuleScope at, int layer) : IDecoderLayer
    {
        private readonly RmsNorm inputNorm = new(at / "input_layernorm", at.Config.HiddenSize);
        private readonly Attention attention = new(at / "self_attn", layer, at.Config.AttentionBias, at.Config.AttentionBias, qkNorm: true);
        private readonly RmsNorm postAttentionNorm = new(at / "post_attention_layernorm", at.Config.HiddenSize);
        private readonly SparseMoe? moe = at.Config.IsSparseLayer(layer)
            ? new(at / "mlp", at.Config.MoeIntermediateSize, at.Config.NormTopKProb, ExpertNames.Default) : null;
        private readonly GatedMlp? mlp = at.Config.IsSparseLayer(layer) ? null : new(at / "mlp", at.Config.IntermediateSize);

        public void Forward(ForwardContext f, in Tensor x)
        {
            attention.AddTo(f, x, inputNorm.Forward(f, x));
            Tensor h = postAttentionNorm.Forward(f, x);
            moe?.AddTo(f, x, h);
            mlp?.AddTo(f, x, h);
        }
    }
}
