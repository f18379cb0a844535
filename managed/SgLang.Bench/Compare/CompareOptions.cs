namespace SgLang.Bench.Compare;

/// <summary>What bench-compare is asked to do; names are those of its flags.</summary>
public sealed record CompareOptions
{
    public required string First { get; init; }
    public required string Second { get; init; }

    /// <summary>Argument and fact names (field names of the result lines) that are under test and may differ.</summary>
    public IReadOnlySet<string> MayDiffer { get; init; } = new HashSet<string>();

    /// <summary>Changes for the worse beyond this share of the first mean are regressions.</summary>
    public double Threshold { get; init; } = 0.02;
}
