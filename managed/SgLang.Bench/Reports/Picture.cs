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

    /// <summary>An XML element that can stand in a page.</summary>
    public string ToSvg()
    {
        using Plot plot = new();
        plot.Font.Set("DejaVu Sans");
        foreach (Curve curve in Curves)
        {
            (double[] xs, double[] ys) = Thin(curve.Xs, curve.Ys);
            ScottPlot.Plottables.Scatter line = plot.Add.Scatter(xs, ys);
            line.LegendText = curve.Name;
            line.LineWidth = 2;
            line.MarkerSize = curve.HasMarkers ? 8 : 0;
        }
        plot.Title(Title);
        plot.XLabel(XLabel);
        plot.YLabel(YLabel);
        plot.Axes.SetLimitsY(0, Math.Max(1e-9, 1.05 * Curves.SelectMany(c => c.Ys).DefaultIfEmpty(1).Max()));
        if (Curves.Count > 1) plot.ShowLegend(Alignment.LowerRight);
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

    private static (double[] Xs, double[] Ys) Thin(double[] xs, double[] ys)
    {
        if (xs.Length <= MostPoints) return (xs, ys);
        int[] kept = [.. Enumerable.Range(0, MostPoints).Select(i => (int)((long)i * (xs.Length - 1) / (MostPoints - 1)))];
        return ([.. kept.Select(i => xs[i])], [.. kept.Select(i => ys[i])]);
    }
}
