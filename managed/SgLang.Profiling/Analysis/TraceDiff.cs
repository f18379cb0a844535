using System.Globalization;
using System.Text;

namespace SgLang.Profiling;

public enum DiffVerdict
{
    /// <summary>Within the threshold or within the noise.</summary>
    Same,
    Slower,
    Faster,

    /// <summary>Only in one of the two.</summary>
    Added,
    Removed,
}

/// <summary>One name of both traces; times are nanoseconds of one occurrence.</summary>
/// <param name="Change">After over before, less 1.</param>
/// <param name="Noise">Share that chance alone explains: three standard errors of the difference of the means.</param>
public sealed record DiffRow(string Table, string Name, double? Before, double? After, double? Change, double Noise, DiffVerdict Verdict);

/// <summary>
/// Two traces compared, occurrence by occurrence, so that they need not have the same number of steps. A change counts when it is larger
/// than the threshold and than what the scatter of both traces explains.
/// </summary>
public sealed record TraceDiff(string OtherName, double Threshold, IReadOnlyList<DiffRow> Rows)
{
    /// <summary>What takes less of the time than this is not worth a verdict.</summary>
    private const double LeastShare = 0.005;

    /// <summary>With one or two occurrences nobody knows the scatter; the threshold is this many times as large then.</summary>
    private const double FewFactor = 3;

    /// <summary>Steps, where there are any in both, decide; else operators.</summary>
    public bool IsSlower
    {
        get
        {
            string decisive = Rows.Any(row => row.Table == "step" && row.Change is not null) ? "step" : "operator";
            return Rows.Any(row => row.Table == decisive && row.Verdict == DiffVerdict.Slower);
        }
    }

    /// <param name="threshold">Share, such as 0.05.</param>
    public static TraceDiff Compare(TraceAnalysis before, TraceAnalysis after, double threshold)
    {
        List<DiffRow> rows = [];
        Add("step", Steps(before), Steps(after));
        Add("module", Times(before.Modules), Times(after.Modules), isTime: true);
        Add("operator", Times(before.Operators), Times(after.Operators), isTime: true);
        Add("kernel", Times(before.Kernels), Times(after.Kernels), isTime: true);
        return new TraceDiff(string.Join(", ", before.Files.Select(Path.GetFileName)), threshold, rows);

        void Add(string table, Dictionary<string, TimeStatistics> a, Dictionary<string, TimeStatistics> b, bool isTime = false)
        {
            foreach (string name in a.Keys.Union(b.Keys).OrderByDescending(name => Math.Max(Total(a, name), Total(b, name))).ThenBy(name => name, StringComparer.Ordinal))
            {
                // What is little in both; little in one only is still there.
                if (isTime && Total(a, name) < LeastShare * before.TotalNanoseconds && Total(b, name) < LeastShare * after.TotalNanoseconds) continue;
                rows.Add(Row(table, name, a.GetValueOrDefault(name), b.GetValueOrDefault(name), threshold));
            }
        }
    }

    /// <param name="top">Rows of each table.</param>
    public string ToText(int top)
    {
        var text = new StringBuilder();
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"Compared with {OtherName}: changes of more than {100 * Threshold:0.#} % and more than the noise");
        text.AppendLine($"  {"",-10} {"",-50} {"before us",11} {"after us",11} {"change",9} {"noise",8}");
        foreach (IGrouping<string, DiffRow> table in Rows.Where(row => row.Verdict != DiffVerdict.Same || row.Table == "step").GroupBy(row => row.Table))
        {
            foreach (DiffRow row in table.Take(top))
            {
                string change = row.Change is { } value ? (value > 0 ? "+" : "") + (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + " %" : "";
                text.AppendLine(CultureInfo.InvariantCulture,
                    $"  {row.Table,-10} {AnalysisText.Cut(row.Name, 50),-50} {Micro(row.Before),11} {Micro(row.After),11} {change,9} {AnalysisText.Percent(row.Noise),8}  {row.Verdict.ToString().ToLowerInvariant()}");
            }
        }
        text.AppendLine(IsSlower ? "Slower." : "Not slower.");
        return text.ToString();

        static string Micro(double? time) => time is { } nanoseconds ? (nanoseconds / 1e3).ToString("0.00", CultureInfo.InvariantCulture) : "-";
    }

    private static DiffRow Row(string table, string name, TimeStatistics? before, TimeStatistics? after, double threshold)
    {
        if (before is null) return new DiffRow(table, name, null, after!.Mean, null, 0, DiffVerdict.Added);
        if (after is null) return new DiffRow(table, name, before.Mean, null, null, 0, DiffVerdict.Removed);
        double change = before.Mean > 0 ? after.Mean / before.Mean - 1 : after.Mean > 0 ? 1 : 0;
        double error = Math.Sqrt((before.Variance / before.Count) + (after.Variance / after.Count));
        double noise = before.Mean > 0 ? 3 * error / before.Mean : 0;
        double least = Math.Max(threshold * (Math.Min(before.Count, after.Count) < 3 ? FewFactor : 1), noise);
        DiffVerdict verdict = change > least ? DiffVerdict.Slower : change < -least ? DiffVerdict.Faster : DiffVerdict.Same;
        return new DiffRow(table, name, before.Mean, after.Mean, change, noise, verdict);
    }

    private static Dictionary<string, TimeStatistics> Steps(TraceAnalysis a)
    {
        Dictionary<string, TimeStatistics> kinds = new(StringComparer.Ordinal);
        foreach (StepRow step in a.Steps)
        {
            // Batches of other sizes are other work.
            string kind = step.Name.StartsWith("ProfilerStep#", StringComparison.Ordinal) ? "ProfilerStep" : step.Name;
            if (!kinds.TryGetValue(kind, out TimeStatistics? time)) kinds.Add(kind, time = new TimeStatistics());
            time.Add(step.Duration);
        }
        return kinds;
    }

    private static Dictionary<string, TimeStatistics> Times(IReadOnlyList<TimeRow> rows) => rows.ToDictionary(row => row.Name, row => row.Time, StringComparer.Ordinal);

    private static double Total(Dictionary<string, TimeStatistics> of, string name) => of.TryGetValue(name, out TimeStatistics? time) ? time.Total : 0;
}
