namespace SgLang.Models;

public enum RopeType : byte
{
    Default,

    /// <summary>Positions divided by the factor.</summary>
    Linear,

    /// <summary>NTK-aware base, fixed at the longest context.</summary>
    Dynamic,

    /// <summary>Llama 3.1: long wavelengths divided by the factor, short ones kept, a ramp between.</summary>
    Llama3,

    /// <summary>https://arxiv.org/abs/2309.00071</summary>
    Yarn,
}

/// <summary>Rotary embedding settings, from `rope_parameters` or from `rope_theta` and `rope_scaling`. Fields not of the type are at their defaults.</summary>
public sealed record RopeConfig
{
    public RopeType Type { get; init; }
    public double Theta { get; init; } = 10000;

    /// <summary>Values of each head that are rotated: head_dim * partial_rotary_factor.</summary>
    public required int RotaryDim { get; init; }
    public double Factor { get; init; } = 1;

    /// <summary>Positions the model was trained on before scaling.</summary>
    public int OriginalMaxPositions { get; init; }
    public double LowFreqFactor { get; init; } = 1;
    public double HighFreqFactor { get; init; } = 4;
    public double BetaFast { get; init; } = 32;
    public double BetaSlow { get; init; } = 1;

    /// <summary>Yarn: floor and ceiling are taken of the ramp's ends.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>Yarn: what cosines and sines are multiplied by.</summary>
    public double Amplitude { get; init; } = 1;

    private const string Types = "one of default, linear, dynamic, llama3, yarn";

    internal static RopeConfig Parse(ConfigSection config, int headDim, int maxPositions)
    {
        // Newer exports: rope_parameters { rope_theta, rope_type, ... }. Older: rope_theta beside rope_scaling { rope_type or type, ... } or null.
        ConfigSection? parameters = config.Section("rope_parameters");
        ConfigSection? scaling = parameters ?? config.Section("rope_scaling");
        double theta = parameters is not null && parameters.Has("rope_theta") ? parameters.Positive("rope_theta") : config.Positive("rope_theta", 10000);
        double partial = parameters is not null && parameters.Has("partial_rotary_factor")
            ? parameters.Positive("partial_rotary_factor") : config.Positive("partial_rotary_factor", 1);
        var rope = new RopeConfig { Theta = theta, RotaryDim = (int)(headDim * partial), OriginalMaxPositions = maxPositions };
        if (rope.RotaryDim < 2 || rope.RotaryDim > headDim || rope.RotaryDim % 2 != 0)
            throw new ModelConfigException($"config.json: head_dim {headDim} * partial_rotary_factor {ConfigSection.Number(partial)} gives {rope.RotaryDim} rotary dimensions; they must be an even number in [2, {headDim}].");
        if (scaling is null) return rope;

        string typeKey = scaling.Has("rope_type") ? "rope_type" : "type";
        switch (scaling.Text(typeKey) ?? "default")
        {
            case "default":
                return rope;
            case "linear":
                return rope with { Type = RopeType.Linear, Factor = scaling.Positive("factor") };
            case "dynamic":
                return rope with { Type = RopeType.Dynamic, Factor = scaling.Positive("factor"), OriginalMaxPositions = scaling.Int("original_max_position_embeddings", maxPositions) };
            case "llama3":
                rope = rope with
                {
                    Type = RopeType.Llama3,
                    Factor = scaling.Positive("factor"),
                    LowFreqFactor = scaling.Positive("low_freq_factor"),
                    HighFreqFactor = scaling.Positive("high_freq_factor"),
                    OriginalMaxPositions = scaling.Int("original_max_position_embeddings"),
                };
                return rope.HighFreqFactor > rope.LowFreqFactor ? rope
                    : throw scaling.Invalid("high_freq_factor", $"greater than low_freq_factor, {ConfigSection.Number(rope.LowFreqFactor)}");
            case "yarn":
                double factor = scaling.Positive("factor");
                return rope with
                {
                    Type = RopeType.Yarn,
                    Factor = factor,
                    OriginalMaxPositions = scaling.Int("original_max_position_embeddings", maxPositions),
                    BetaFast = scaling.Positive("beta_fast", 32),
                    BetaSlow = scaling.Positive("beta_slow", 1),
                    Truncate = scaling.Bool("truncate", true),
                    Amplitude = YarnAmplitude(scaling, factor),
                };
            default:
                throw scaling.Invalid(typeKey, Types);
        }
    }

    /// <summary>attention_factor if given; the ratio of two scales where a checkpoint has mscale and mscale_all_dim; else 0.1 ln(factor) + 1.</summary>
    private static double YarnAmplitude(ConfigSection scaling, double factor)
    {
        double extra = scaling.Positive("attn_factor", 1);
        if (scaling.PositiveOrNull("attention_factor") is { } given) return given * extra;
        if (scaling.NumberOrNull("mscale") is { } scale and not 0 && scaling.NumberOrNull("mscale_all_dim") is { } all and not 0)
            return Scale(scale) / Scale(all) * extra;
        return Scale(1) * extra;

        double Scale(double multiplier) => factor <= 1 ? 1 : 0.1 * multiplier * Math.Log(factor) + 1;
    }
}
