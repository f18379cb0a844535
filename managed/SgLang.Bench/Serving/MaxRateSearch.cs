using System.Globalization;

namespace SgLang.Bench.Serving;

/// <summary>Looks for the highest rate that is good enough: doubles or halves until the limit is enclosed, then bisects (geometrically).</summary>
internal sealed class MaxRateSearch(double start)
{
    /// <summary>The bounds' ratio at which the search ends: noise between runs is seldom smaller.</summary>
    private const double Precision = 1.05;
    private const int MostDoublings = 12;

    private double? _tooFast;
    private int _trials;
    private double? _next = start;

    /// <summary>The rate to try; null at the end.</summary>
    public double? Next => _next;

    /// <summary>The highest rate that was good; null: none was.</summary>
    public double? Best { get; private set; }
    public double Lowest { get; private set; } = start;
    public bool WasNeverTooFast => Best is not null && _tooFast is null;

    public void Report(bool isGood)
    {
        double rate = _next ?? throw new InvalidOperationException("the search is over");
        Lowest = Math.Min(Lowest, rate);
        if (isGood) Best = Math.Max(Best ?? 0, rate);
        else _tooFast = Math.Min(_tooFast ?? double.PositiveInfinity, rate);
        _trials++;
        _next = (Best, _tooFast) switch
        {
            ({ } low, { } high) => high / low > Precision ? Readable(Math.Sqrt(low * high)) : null,
            _ when _trials > MostDoublings => null,
            ({ } low, null) => Readable(low * 2),
            (null, { } high) => Readable(high / 2),
            _ => null,
        };
    }

    /// <summary>
    /// Four digits, so that the rate that ran is the one that is shown. What is between two bounds further apart than <see cref="Precision"/> stays between them.
    /// </summary>
    private static double Readable(double rate) => double.Parse(rate.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
