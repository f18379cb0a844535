namespace SgLang.Bench.Statistics;

/// <summary>Mean of a few repeats, with the half-width of its 95 % confidence interval under Student's t; null for fewer than two.</summary>
public readonly record struct Confidence(int Count, double Mean, double? HalfWidth)
{
    /// <summary>0.975 quantiles of Student's t for 1, 2, .. degrees of freedom.</summary>
    private static readonly double[] s_quantiles =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];

    private const double NormalQuantile = 1.96;

    /// <param name="values">Not empty.</param>
    public static Confidence Of(IReadOnlyCollection<double> values)
    {
        double mean = values.Average();
        if (values.Count < 2) return new Confidence(values.Count, mean, null);
        return new Confidence(values.Count, mean, Quantile(values.Count - 1) * Math.Sqrt(Variance(values, mean) / values.Count));
    }

    /// <summary>Second mean minus first with the half-width of its 95 % interval, without assuming equal variances (Welch 1947); null half-width where a side has one value.</summary>
    public static Confidence Difference(IReadOnlyCollection<double> first, IReadOnlyCollection<double> second)
    {
        double a = first.Average(), b = second.Average();
        int count = Math.Min(first.Count, second.Count);
        if (count < 2) return new Confidence(count, b - a, null);
        double va = Variance(first, a) / first.Count, vb = Variance(second, b) / second.Count;
        if (va + vb == 0) return new Confidence(count, b - a, 0);
        double freedom = (va + vb) * (va + vb) / ((va * va / (first.Count - 1)) + (vb * vb / (second.Count - 1)));
        return new Confidence(count, b - a, Quantile((int)freedom) * Math.Sqrt(va + vb));
    }

    private static double Variance(IReadOnlyCollection<double> values, double mean) => values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);

    private static double Quantile(int freedom) => freedom > s_quantiles.Length ? NormalQuantile : s_quantiles[Math.Max(freedom, 1) - 1];
}
