using System.Globalization;
using System.Text;

namespace SgLang.Bench.Reports;

/// <summary>The report on the terminal: titles centred in 50 columns, labels padded to 40 and values to 10; "n/a" where nothing was measured.</summary>
public sealed class ReportTable
{
    private const int Width = 50;
    private readonly StringBuilder _text = new();

    public ReportTable Title(string title) => Line(Centred(title, '='));

    public ReportTable Section(string title) => Line(Centred(title, '-'));

    public ReportTable End() => Line(new string('=', Width));

    public ReportTable Row(string label, string value) => Line($"{label,-40} {value,-10}");

    public ReportTable Row(string label, long value) => Row(label, value.ToString(CultureInfo.InvariantCulture));

    public ReportTable Row(string label, double? value) => Row(label, value is { } number ? number.ToString("F2", CultureInfo.InvariantCulture) : "n/a");

    public override string ToString() => _text.ToString();

    private ReportTable Line(string line)
    {
        _text.Append(line).Append('\n');
        return this;
    }

    /// <summary>Odd filler goes to the right.</summary>
    private static string Centred(string text, char filler)
    {
        int left = Math.Max(0, (Width - text.Length) / 2);
        return text.PadLeft(text.Length + left, filler).PadRight(Width, filler);
    }
}
