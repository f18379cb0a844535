using System.Globalization;
using System.Text;

namespace SgLang.Profiling;

/// <summary>An analysis as tables for a terminal.</summary>
public static class AnalysisText
{
    private const int NameWidth = 58;

    /// <param name="top">Rows of each table.</param>
    public static string Write(TraceAnalysis a, int top)
    {
        var text = new StringBuilder();
        Line($"{string.Join(", ", a.Files.Select(Path.GetFileName))}: {a.NumEvents} events{(a.DeviceType.Length > 0 ? $", {a.DeviceType}" : "")}");
        if (a.Ceiling.IsKnown) Line($"Ceiling: {a.Ceiling.BytesPerSecond / 1e9:0.#} GB/s, {a.Ceiling.FlopsPerSecond / 1e12:0.#} TFLOP/s");
        foreach (string note in a.Notes) Line($"Note: {note}");
        if (a.HasDeviceWork) WriteDevices(a, text);
        WriteSteps(a, text, top);
        string what = a.HasDeviceWork ? "device time" : "host time";
        WriteRows($"Modules, {what} (known for {Percent(a.ModuleCoverage)} of it)", a.Modules, a.TotalNanoseconds, text, top);
        WriteRows($"Layers, {what}", a.Layers, a.TotalNanoseconds, text, top);
        WriteOperators("Operators", a, a.Operators, text, top);
        if (a.Kernels.Count > 0) WriteRows("Kernels", a.Kernels, a.TotalNanoseconds, text, top);
        return text.ToString();

        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The table of operators alone, by the shapes of their inputs where the trace has recorded them.</summary>
    public static string WriteOperatorShapes(TraceAnalysis a, int top)
    {
        var text = new StringBuilder();
        WriteOperators(a.HasShapes ? "Operators by input shape" : "Operators (no input shapes were recorded)", a, a.OperatorShapes, text, top);
        return text.ToString();
    }

    /// <summary>The host operators' own time by the shapes of their inputs.</summary>
    public static string WriteHostOperatorShapes(TraceAnalysis a, int top)
    {
        var text = new StringBuilder();
        WriteRows("Operators by input shape, host time", a.HostOperatorShapes, a.HostOperatorShapes.Sum(row => row.Time.Total), text, top);
        return text.ToString();
    }

    private static void WriteOperators(string title, TraceAnalysis a, IReadOnlyList<TimeRow> rows, StringBuilder text, int top) =>
        WriteRows($"{title}, {(a.HasDeviceWork ? "device time" : "host time")} (known for {Percent(a.OperatorCoverage)} of it)", rows, a.TotalNanoseconds, text, top);

    private static void WriteDevices(TraceAnalysis a, StringBuilder text)
    {
        text.AppendLine().AppendLine("Devices                     window ms     busy   compute  communic.  overlapped  exposed   memory |  idle: host   launch     sync  unknown");
        foreach (DeviceSummary d in a.Devices)
        {
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{Cut(d.Name, 26),-26} {d.Window / 1e6,10:0.000} {Of(d.Busy),8} {Of(d.Compute),9} {Of(d.Communication),10} {Of(d.Overlapped),11} {Of(d.ExposedCommunication),8} {Of(d.Memory),8} | {Of(d.IdleHost),11} {Of(d.IdleLaunch),8} {Of(d.IdleSynchronisation),8} {Of(d.IdleUnknown),8}");

            string Of(long part) => Percent(d.Window > 0 ? part / (double)d.Window : 0);
        }
    }

    private static void WriteSteps(TraceAnalysis a, StringBuilder text, int top)
    {
        if (a.Steps.Count == 0) return;
        text.AppendLine().AppendLine($"Steps: {a.Steps.Count}");
        foreach (IGrouping<string, StepRow> kind in a.Steps.GroupBy(step => step.Kind))
        {
            long[] durations = [.. kind.Select(step => step.Duration).Order()];
            text.AppendLine(CultureInfo.InvariantCulture, $"  {kind.Key + (kind.Key.Contains('[', StringComparison.Ordinal) ? "]" : ""),-20} {durations.Length,6} steps, median {durations[durations.Length / 2] / 1e6:0.000} ms, least {durations[0] / 1e6:0.000}, most {durations[^1] / 1e6:0.000}");
        }
        text.AppendLine($"  {"step",-44} {"start ms",10} {"host ms",9} {"device ms",9} {"busy",7} {"comm.",7} {"works",7}");
        foreach (StepRow step in a.Steps.Take(top))
        {
            string busy = step.DeviceSpan > 0 ? Percent(step.Busy / (double)step.DeviceSpan) : "-", communication = step.DeviceSpan > 0 ? Percent(step.Communication / (double)step.DeviceSpan) : "-";
            text.AppendLine(CultureInfo.InvariantCulture, $"  {Cut(step.Name, 44),-44} {step.Start / 1e6,10:0.000} {step.Host / 1e6,9:0.000} {step.DeviceSpan / 1e6,9:0.000} {busy,7} {communication,7} {step.NumWorks,7}");
        }
        if (a.Steps.Count > top) text.AppendLine($"  ... {a.Steps.Count - top} more; --top {a.Steps.Count} shows all");
    }

    private static void WriteRows(string title, IReadOnlyList<TimeRow> rows, double total, StringBuilder text, int top)
    {
        if (rows.Count == 0) return;
        text.AppendLine().AppendLine($"{title}");
        text.AppendLine($"  {"",-NameWidth} {"ms",10} {"share",7} {"count",8} {"mean us",9} {"GB/s",8} {"TFLOP/s",8} {"of roofline",11}");
        foreach (TimeRow row in rows.Take(top))
        {
            double seconds = row.BoundedNanoseconds / 1e9;
            string bytes = row.Bytes > 0 && seconds > 0 ? (row.Bytes / seconds / 1e9).ToString("0.0", CultureInfo.InvariantCulture) : "-";
            string flops = row.Flops > 0 && seconds > 0 ? (row.Flops / seconds / 1e12).ToString("0.00", CultureInfo.InvariantCulture) : "-";
            text.AppendLine(CultureInfo.InvariantCulture,
                $"  {Cut(row.Name, NameWidth),-NameWidth} {row.Time.Total / 1e6,10:0.000} {Percent(total > 0 ? row.Time.Total / total : 0),7} {row.Time.Count,8} {row.Time.Mean / 1e3,9:0.00} {bytes,8} {flops,8} {(row.Share is { } share ? Percent(share) : "-"),11}");
        }
        if (rows.Count > top) text.AppendLine($"  ... {rows.Count - top} more");
    }

    internal static string Percent(double share) => (100 * share).ToString(share is > 0 and < 0.0995 ? "0.0" : "0", CultureInfo.InvariantCulture) + " %";

    /// <summary>The beginning and the end of a long name, where its meaning is.</summary>
    internal static string Cut(string name, int width) => name.Length <= width ? name : $"{name[..(width - width / 3 - 1)]}…{name[^(width / 3)..]}";
}
