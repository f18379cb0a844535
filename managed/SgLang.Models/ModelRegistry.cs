using System.Collections.Frozen;
using SgLang.Models.Families;

namespace SgLang.Models;

/// <summary>Which family runs an architecture. A new family is its file and one line here.</summary>
public static class ModelRegistry
{
    private static readonly FrozenDictionary<string, Func<ModelBuilder, IModel>> s_families = new Dictionary<string, Func<ModelBuilder, IModel>>
    {
        ["LlamaForCausalLM"] = static model => new LlamaForCausalLM(model),
        ["MistralForCausalLM"] = static model => new MistralForCausalLM(model),
        ["MixtralForCausalLM"] = static model => new MixtralForCausalLM(model),
        ["Qwen2ForCausalLM"] = static model => new Qwen2ForCausalLM(model),
        ["Qwen2MoeForCausalLM"] = static model => new Qwen2MoeForCausalLM(model),
        ["Qwen3ForCausalLM"] = static model => new Qwen3ForCausalLM(model),
        ["Qwen3MoeForCausalLM"] = static model => new Qwen3MoeForCausalLM(model),
    }.ToFrozenDictionary();

    /// <summary>Architectures that can be served, in order of name.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. s_families.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Throws <see cref="ModelConfigException"/>, listing what is supported, unless the model's architecture is.</summary>
    public static void Check(ModelConfig config)
    {
        if (!s_families.ContainsKey(config.Architecture))
            throw new ModelConfigException($"config.json: architectures[0] is {config.Architecture}, which is not supported. Supported: {string.Join(", ", Supported)}.");
        if (config.HiddenAct is not ("silu" or "swish"))
            throw new ModelConfigException($"config.json: hidden_act is {config.HiddenAct}; {config.Architecture} supports silu.");
        if (config.Architecture.Contains("Moe") || config.Architecture.Contains("Mixtral"))
        {
            if (config.NumExperts == 0) throw new ModelConfigException($"config.json: num_experts (or num_local_experts) is missing; {config.Architecture} needs it.");
        }
        if (config.Architecture == "Qwen2MoeForCausalLM" && config.SharedExpertIntermediateSize == 0)
            throw new ModelConfigException("config.json: shared_expert_intermediate_size is missing; Qwen2MoeForCausalLM needs it.");
    }

    internal static IModel Build(ModelBuilder builder)
    {
        Check(builder.Config);
        return s_families[builder.Config.Architecture](builder);
    }
}
