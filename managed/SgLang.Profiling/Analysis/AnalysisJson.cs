using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>An analysis as JSON; all times in microseconds.</summary>
public static class AnalysisJson
{
    /// <param name="target">Takes UTF-8.</param>
    /// <param name="withTimeline">Also what only pictures need.</param>
    public static void Write(TraceAnalysis a, TraceDiff? diff, Stream target, bool withTimeline, bool isIndented)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Indented = isIndented });
        json.WriteStartObject();
        json.WriteStartArray("files");
        foreach (string file in a.Files) json.WriteStringValue(Path.GetFileName(file));
        json.WriteEndArray();
        json.WriteNumber("events", a.NumEvents);
        json.WriteString("device_type", a.DeviceType);
        json.WriteBoolean("has_device_work", a.HasDeviceWork);
        if (a.Ceiling.IsKnown)
        {
            json.WriteNumber("ceiling_bytes_per_second", a.Ceiling.BytesPerSecond);
            json.WriteNumber("ceiling_flops_per_second", a.Ceiling.FlopsPerSecond);
        }
        json.WriteStartArray("notes");
        foreach (string note in a.Notes) json.WriteStringValue(note);
        json.WriteEndArray();
        json.WriteNumber("module_coverage", a.ModuleCoverage);
        json.WriteNumber("operator_coverage", a.OperatorCoverage);
        WriteDevices(a, json);
        WriteSteps(a, json);
        Rows(json, "modules", a.Modules);
        Rows(json, "layers", a.Layers);
        Rows(json, "operators", a.Operators);
        Rows(json, "kernels", a.Kernels);
        if (diff is not null) WriteDiff(diff, json);
        if (withTimeline) WritePictures(a, json);
        json.WriteEndObject();
    }

    private static void WriteDevices(TraceAnalysis a, Utf8JsonWriter json)
    {
        json.WriteStartArray("devices");
        foreach (DeviceSummary d in a.Devices)
        {
            json.WriteStartObject();
            json.WriteString("name", d.Name);
            Micro(json, "window_us", d.Window);
            Micro(json, "busy_us", d.Busy);
            Micro(json, "compute_us", d.Compute);
            Micro(json, "communication_us", d.Communication);
            Micro(json, "overlapped_communication_us", d.Overlapped);
            Micro(json, "exposed_communication_us", d.ExposedCommunication);
            Micro(json, "memory_us", d.Memory);
            Micro(json, "idle_us", d.Idle);
            Micro(json, "idle_host_us", d.IdleHost);
            Micro(json, "idle_launch_us", d.IdleLaunch);
            Micro(json, "idle_synchronisation_us", d.IdleSynchronisation);
            Micro(json, "idle_unknown_us", d.IdleUnknown);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteSteps(TraceAnalysis a, Utf8JsonWriter json)
    {
        json.WriteStartArray("steps");
        foreach (StepRow step in a.Steps)
        {
            json.WriteStartObject();
            json.WriteString("name", step.Name);
            Micro(json, "start_us", step.Start);
            Micro(json, "host_us", step.Host);
            Micro(json, "device_us", step.DeviceSpan);
            Micro(json, "busy_us", step.Busy);
            Micro(json, "communication_us", step.Communication);
            json.WriteNumber("works", step.NumWorks);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void Rows(Utf8JsonWriter json, string name, IReadOnlyList<TimeRow> rows)
    {
        json.WriteStartArray(name);
        foreach (TimeRow row in rows)
        {
            json.WriteStartObject();
            json.WriteString("name", row.Name);
            Micro(json, "total_us", row.Time.Total);
            json.WriteNumber("count", row.Time.Count);
            Micro(json, "mean_us", row.Time.Mean);
            Micro(json, "least_us", row.Time.Least);
            Micro(json, "most_us", row.Time.Most);
            Micro(json, "deviation_us", Math.Sqrt(row.Time.Variance));
            if (row.BoundedNanoseconds > 0)
            {
                json.WriteNumber("flops", row.Flops);
                json.WriteNumber("bytes", row.Bytes);
                Micro(json, "bounded_us", row.BoundedNanoseconds);
            }
            if (row.Share is { } share) json.WriteNumber("roofline_share", Math.Round(share, 5));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteDiff(TraceDiff diff, Utf8JsonWriter json)
    {
        json.WriteStartObject("diff");
        json.WriteString("other", diff.OtherName);
        json.WriteBoolean("is_slower", diff.IsSlower);
        json.WriteStartArray("rows");
        foreach (DiffRow row in diff.Rows)
        {
            json.WriteStartObject();
            json.WriteString("table", row.Table);
            json.WriteString("name", row.Name);
            if (row.Before is { } before) Micro(json, "before_us", before);
            if (row.After is { } after) Micro(json, "after_us", after);
            if (row.Change is { } change) json.WriteNumber("change", Math.Round(change, 5));
            json.WriteNumber("noise", Math.Round(row.Noise, 5));
            json.WriteString("verdict", row.Verdict.ToString().ToLowerInvariant());
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WritePictures(TraceAnalysis a, Utf8JsonWriter json)
    {
        json.WriteStartObject("activity");
        Micro(json, "start_us", a.ActivityStart);
        Micro(json, "end_us", a.ActivityEnd);
        json.WriteStartArray("devices");
        foreach (double[][] device in a.Activity)
        {
            json.WriteStartArray();
            foreach (double[] kind in device)
            {
                json.WriteStartArray();
                foreach (double share in kind) json.WriteNumberValue(Math.Round(share, 4));
                json.WriteEndArray();
            }
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteStartObject("timeline");
        json.WriteString("title", a.TimelineTitle);
        json.WriteStartArray("spans");
        foreach (TimelineSpan span in a.Timeline)
        {
            json.WriteStartArray();
            json.WriteStringValue(span.Track);
            json.WriteNumberValue(span.Lane);
            json.WriteStringValue(span.Name);
            json.WriteNumberValue(span.Start / 1e3);
            json.WriteNumberValue(span.Duration / 1e3);
            json.WriteStringValue(span.Kind);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Micro(Utf8JsonWriter json, string name, double nanoseconds) => json.WriteNumber(name, Math.Round(nanoseconds / 1e3, 3));
}
