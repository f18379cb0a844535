using System.Globalization;
using ScottPlot;

namespace SgLang.Bench.Reports;

/// <summary>A line of a picture.</summary>
internal sealed record Curve(string Name, double[] Xs, double[] Ys, bool HasMarkers = false);

/// <summary>A chart of a few lines, as SVG.</summary>
internal sealed record Picture(string Name, string Title, string XLabel, string YLabel, IReadOnlyList<Curve> Curves)
{
    private const int Width = 900;
    private const int Height = 480;

    /// <summary>Points a line has at most: more cannot be told apart, and make a file of megabytes.</summary>
    private const int MostPoints = 1000;

    /// <summary>Decades for which every 1, 2 and 5 gets a tick; more decades have their powers of ten only.</summary>
    private const int MostDividedDecades = 4;

    /// <summary>The x axis is logarithmic: for values whose tail is many times their middle. Values that are not above 0 stand at the smallest that is.</summary>
    public bool IsLogarithmic { get; init; }

    /// <summary>Where the names of several lines stand; where the lines themselves seldom are.</summary>
    public Alignment LegendPlace { get; init; } = Alignment.LowerRight;

    /// <summary>An XML element that can stand in a page.</summary>
    public string ToSvg()
    {
        using Plot plot = new();
        double least = Curves.SelectMany(curve => curve.Xs).Where(x => x > 0).DefaultIfEmpty(1).Min();
        plot.Font.Set("DejaVu Sans");
        foreach (Curve curve in Curves)
        {
            (double[] xs, double[] ys) = Thin(curve.Xs, curve.Ys);
            if (IsLogarithmic) xs = [.. xs.Select(x => Math.Log10(Math.Max(x, least)))];
            ScottPlot.Plottables.Scatter line = plot.Add.Scatter(xs, ys);
            line.LegendText = curve.Name;
            line.LineWidth = 2;
            line.MarkerSize = curve.HasMarkers ? 8 : 0;
        }
        plot.Title(Title);
        plot.XLabel(XLabel);
        plot.YLabel(YLabel);
        // Above the lines there is room for their names.
        double room = Curves.Count > 1 && LegendPlace is Alignment.UpperLeft or Alignment.UpperRight ? 1.3 : 1.05;
        plot.Axes.SetLimitsY(0, Math.Max(1e-9, room * Curves.SelectMany(c => c.Ys).DefaultIfEmpty(1).Max()));
        if (IsLogarithmic) SetLogarithmicTicks(plot, least);
        if (Curves.Count > 1) plot.ShowLegend(LegendPlace);
        string svg = plot.GetSvgXml(Width, Height);
        return svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
    }

    /// <summary>A cumulative distribution: x is a value, y the share of values up to it.</summary>
    public static Curve Distribution(string name, IEnumerable<double> values)
    {
        double[] sorted = [.. values];
        Array.Sort(sorted);
        return new Curve(name, sorted, [.. sorted.Select((_, i) => (i + 1.0) / sorted.Length)]);
    }

    private void SetLogarithmicTicks(Plot plot, double least)
    {
        double most = Math.Max(least, Curves.SelectMany(curve => curve.Xs).DefaultIfEmpty(least).Max());
        int first = (int)Math.Floor(Math.Log10(least)), last = (int)Math.Ceiling(Math.Log10(most));
        double[] steps = last - first <= MostDividedDecades ? [1, 2, 5] : [1];
        double[] ticks = [.. Enumerable.Range(first, last - first + 1).SelectMany(decade => steps.Select(step => step * Math.Pow(10, decade)))];
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. ticks.Select(Math.Log10)], [.. ticks.Select(tick => tick.ToString("G6", CultureInfo.InvariantCulture))]);
        plot.Axes.SetLimitsX(Math.Log10(least) - 0.02, Math.Log10(most) + 0.05);
    }

    private static (double[] Xs, double[] Ys) Thin(double[] xs, double[] ys)
    {
        if (xs.Length <= MostPoints) return (xs, ys);
        int[] kept = [.. Enumerable.Range(0, MostPoints).Select(i => (int)((long)i * (xs.Length - 1) / (MostPoints - 1)))];
        return ([.. kept.Select(i => xs[i])], [.. kept.Select(i => ys[i])]);
    }
}
