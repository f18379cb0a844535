namespace SgLang.Models;

/// <summary>Sampling defaults of generation_config.json; null where the file says nothing.</summary>
public sealed record GenerationConfig
{
    public double? Temperature { get; init; }
    public double? TopP { get; init; }
    public int? TopK { get; init; }
    public double? MinP { get; init; }
    public double? RepetitionPenalty { get; init; }
    public bool? DoSample { get; init; }

    internal static GenerationConfig Parse(ConfigSection section) => new()
    {
        Temperature = section.NumberOrNull("temperature"),
        TopP = section.NumberOrNull("top_p"),
        TopK = section.Has("top_k") ? section.Int("top_k", minimum: -1) : null,
        MinP = section.NumberOrNull("min_p"),
        RepetitionPenalty = section.NumberOrNull("repetition_penalty"),
        DoSample = section.Has("do_sample") ? section.Bool("do_sample", false) : null,
    };
}
