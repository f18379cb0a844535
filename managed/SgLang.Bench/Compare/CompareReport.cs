using System.Globalization;
using System.Text;

namespace SgLang.Bench.Compare;

/// <summary>A comparison as a table.</summary>
public static class CompareReport
{
    public static string ToText(ComparedRuns compared)
    {
        var text = new StringBuilder();
        if (compared.NotCompared.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"Not compared, because not all lines record them (versions know different flags): {string.Join(", ", compared.NotCompared)}\n");
        foreach (CaseChange item in compared.Cases)
        {
            if (item.Case.Length > 0) text.Append(item.Case).Append('\n');
            text.Append(CultureInfo.InvariantCulture, $"  {"",-36} {"first",12} {"second",12} {"change",9} {"95 % interval",20} {"runs",7}\n");
            foreach (FigureChange f in item.Figures)
            {
                string interval = f.HalfWidth is { } half ? string.Create(CultureInfo.InvariantCulture, $"{100 * (f.Change - half):+0.0;-0.0}..{100 * (f.Change + half):+0.0;-0.0} %") : "n/a";
                string runs = $"{f.FirstRuns}/{f.SecondRuns}";
                text.Append(CultureInfo.InvariantCulture, $"  {f.Field,-36} {f.First,12:G6} {f.Second,12:G6} {100 * f.Change,8:+0.0;-0.0;0.0}% {interval,20} {runs,7}  {Word(f.Verdict)}\n");
            }
        }
        if (compared.Cases.SelectMany(item => item.Figures).Any(f => f.Verdict == Verdict.Unknown))
            text.Append("A side was run once: how far two runs of it lie apart is unknown, so nothing is called better or worse. Repeat both (bench-serving --num-repeats 5, or append more lines).\n");
        else
            text.Append(CultureInfo.InvariantCulture, $"Better: {Count(compared, Verdict.Better)}. Worse: {Count(compared, Verdict.Worse)}. Within the interval or the threshold: {Count(compared, Verdict.Same)}.\n");
        return text.ToString();
    }

    private static int Count(ComparedRuns compared, Verdict verdict) => compared.Cases.Sum(item => item.Figures.Count(f => f.Verdict == verdict));

    private static string Word(Verdict verdict) => verdict switch { Verdict.Better => "better", Verdict.Worse => "WORSE", Verdict.Unknown => "?", _ => "" };
}
