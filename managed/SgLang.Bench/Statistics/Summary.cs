namespace SgLang.Bench.Statistics;

/// <summary>What is reported of a sample. Every figure is null where the sample is empty: nothing measured is not zero.</summary>
public sealed record Summary
{
    public required int Count { get; init; }
    public double? Mean { get; init; }

    /// <summary>Mean of the two middle values when their number is even.</summary>
    public double? Median { get; init; }

    /// <summary>With divisor n.</summary>
    public double? StandardDeviation { get; init; }
    public double? P90 { get; init; }
    public double? P95 { get; init; }
    public double? P99 { get; init; }
    public double? Max { get; init; }

    public static Summary Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0) return new Summary { Count = 0 };
        double[] sorted = [.. values];
        Array.Sort(sorted);
        double mean = sorted.Sum() / sorted.Length;
        double squares = 0;
        foreach (double value in sorted) squares += (value - mean) * (value - mean);
        return new Summary
        {
            Count = sorted.Length,
            Mean = mean,
            Median = Percentile(sorted, 50),
            StandardDeviation = Math.Sqrt(squares / sorted.Length),
            P90 = Percentile(sorted, 90),
            P95 = Percentile(sorted, 95),
            P99 = Percentile(sorted, 99),
            Max = sorted[^1],
        };
    }

    /// <summary>Linear interpolation at position (n - 1) * p / 100 between the neighbouring values, as numpy does by default.</summary>
    /// <param name="sorted">Ascending, not empty.</param>
    /// <param name="percent">In [0, 100].</param>
    public static double Percentile(ReadOnlySpan<double> sorted, double percent)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(percent, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        double position = (sorted.Length - 1) * percent / 100;
        int below = (int)position;
        if (below + 1 == sorted.Length) return sorted[below];
        return sorted[below] + ((position - below) * (sorted[below + 1] - sorted[below]));
    }
}
