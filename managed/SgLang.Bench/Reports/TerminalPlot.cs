using System.Globalization;
using System.Text;
using SgLang.Bench.Load;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Reports;

/// <summary>Bars in a terminal.</summary>
internal static class TerminalPlot
{
    private const int Height = 10;
    private const int Width = 70;
    private const string Eighths = " ▁▂▃▄▅▆▇█";

    /// <summary>The two plots of --plot-throughput.</summary>
    public static string Throughput(IReadOnlyList<RequestRecord> records)
    {
        Timeline timeline = Timeline.Of(records);
        return Bars("Output tokens per second", timeline.TokensPerSecond, timeline.Step) + Bars("Concurrent requests per second", timeline.OpenRequests, timeline.Step);
    }

    /// <param name="step">Seconds of a value.</param>
    internal static string Bars(string title, double[] values, double step)
    {
        if (values.Length == 0) return $"\n{title}: n/a\n";
        int columns = Math.Min(Width, values.Length);
        double[] bars = new double[columns];
        for (int i = 0; i < columns; i++)
        {
            int from = i * values.Length / columns, to = Math.Max(from + 1, (i + 1) * values.Length / columns);
            bars[i] = values[from..to].Average();
        }
        double most = Math.Max(bars.Max(), 1e-9);
        var text = new StringBuilder($"\n{title}\n");
        for (int row = Height - 1; row >= 0; row--)
        {
            string label = row == Height - 1 ? most.ToString("G4", CultureInfo.InvariantCulture) : row == 0 ? "0" : "";
            text.Append(label.PadLeft(9)).Append(" |");
            foreach (double bar in bars) text.Append(Eighths[Math.Clamp((int)Math.Round(((bar / most * Height) - row) * 8), 0, 8)]);
            text.Append('\n');
        }
        string end = (values.Length * step).ToString("G4", CultureInfo.InvariantCulture);
        return text.Append(' ', 10).Append('+').Append('-', columns).Append('\n').Append(' ', 11).Append('0').Append(end.PadLeft(Math.Max(columns - 1, end.Length + 1))).Append(CultureInfo.InvariantCulture, $"  Time (s), {values.Length * step / columns:G3} s a bar\n").ToString();
    }
}
