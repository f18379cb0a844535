using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>A parameter that a module owns itself.</summary>
public readonly record struct ModuleParameter(string Name, params long[] Shape);

/// <summary>What a module says of itself to a profiler.</summary>
public sealed record ModuleInfo
{
    /// <summary>Such as "model.layers.0.self_attn.qkv_proj".</summary>
    public required string Path { get; init; }
    public IReadOnlyList<ModuleParameter> Parameters { get; init; } = [];

    /// <summary>Names and values that never change, the values as Python writes them.</summary>
    public IReadOnlyList<(string Name, string Value)> StaticParameters { get; init; } = [];

    /// <summary>A matrix product's.</summary>
    public static ModuleInfo Linear(string path, PackedWeight weight, bool ownsWeight, bool hasBias)
    {
        List<ModuleParameter> parameters = [];
        if (ownsWeight) parameters.Add(new ModuleParameter("weight", weight.OutFeatures, weight.InFeatures));
        if (hasBias) parameters.Add(new ModuleParameter("bias", weight.OutFeatures));
        return new ModuleInfo
        {
            Path = path,
            Parameters = parameters,
            StaticParameters = [("in_features", $"{weight.InFeatures}"), ("out_features", $"{weight.OutFeatures}"), ("dtype", $"'{weight.DType.Name()}'"), ("quantization", "None")],
        };
    }
}
