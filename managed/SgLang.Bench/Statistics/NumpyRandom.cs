using System.Numerics;

namespace SgLang.Bench.Statistics;

/// <summary>numpy's legacy global generator (numpy.random.seed and its functions), draw for draw.</summary>
public sealed class NumpyRandom(uint seed)
{
    private readonly Mt19937 _twister = Mt19937.FromInteger(seed);
    private double? _secondNormal;

    public double NextDouble() => _twister.NextDouble();

    /// <summary>randint(low, high): in [low, high). A range of one value draws nothing.</summary>
    public int Integer(int low, int high)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(high, low);
        uint range = (uint)(high - 1 - low);
        if (range == 0) return low;
        uint mask = uint.MaxValue >> BitOperations.LeadingZeroCount(range);
        uint drawn;
        do drawn = _twister.NextUInt32() & mask;
        while (drawn > range);
        return low + (int)drawn;
    }

    public int[] Integers(int low, int high, int count)
    {
        int[] drawn = new int[count];
        for (int i = 0; i < count; i++) drawn[i] = Integer(low, high);
        return drawn;
    }

    /// <summary>exponential(scale), of that mean.</summary>
    public double Exponential(double scale) => -Math.Log(1 - NextDouble()) * scale;

    /// <summary>standard_normal(), by the polar method (Marsaglia and Bray 1964), whose second value is kept for the next call.</summary>
    public double StandardNormal()
    {
        if (_secondNormal is { } kept)
        {
            _secondNormal = null;
            return kept;
        }
        double x, y, square;
        do
        {
            x = (2 * NextDouble()) - 1;
            y = (2 * NextDouble()) - 1;
            square = (x * x) + (y * y);
        }
        while (square is >= 1 or 0);
        double factor = Math.Sqrt(-2 * Math.Log(square) / square);
        _secondNormal = factor * x;
        return factor * y;
    }

    /// <summary>standard_gamma(shape), of that mean: Ahrens and Dieter 1974 below 1, Marsaglia and Tsang 2000 above.</summary>
    public double StandardGamma(double shape)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape);
        if (shape == 1) return Exponential(1);
        if (shape < 1)
        {
            while (true)
            {
                double u = NextDouble(), v = Exponential(1);
                if (u <= 1 - shape)
                {
                    double x = Math.Pow(u, 1 / shape);
                    if (x <= v) return x;
                }
                else
                {
                    double y = -Math.Log((1 - u) / shape), x = Math.Pow(1 - shape + (shape * y), 1 / shape);
                    if (x <= v + y) return x;
                }
            }
        }
        double b = shape - (1.0 / 3), c = 1 / Math.Sqrt(9 * b);
        while (true)
        {
            double x, v;
            do
            {
                x = StandardNormal();
                v = 1 + (c * x);
            }
            while (v <= 0);
            v = v * v * v;
            double u = NextDouble();
            if (u < 1 - (0.0331 * x * x * x * x) || Math.Log(u) < (0.5 * x * x) + (b * (1 - v + Math.Log(v)))) return b * v;
        }
    }

    /// <summary>choice(list, p) as an index: the first whose cumulative share exceeds a draw.</summary>
    /// <param name="weights">Not negative; need not sum to 1.</param>
    public int Choice(ReadOnlySpan<double> weights)
    {
        double total = 0;
        foreach (double weight in weights) total += weight;
        double drawn = NextDouble(), sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            sum += weights[i];
            if (sum / total > drawn) return i;
        }
        return weights.Length - 1;
    }
}
