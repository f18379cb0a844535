using System.Diagnostics;
using System.Globalization;

namespace SgLang.Profiling;

/// <summary>
/// What stands in a trace file before its events: the devices, the rank, and under `sglang` what was recorded, lost and spent (spec/profiling.md 10.1).
/// </summary>
/// <param name="device">The capture, where the file has device activity.</param>
internal sealed class TraceHead(JsonText json, ITraceRecords records, TraceCapture? device, TraceFileInfo info)
{
    public bool ShowsMemory { get; init; }
    public DeviceTimeline? Timeline { get; init; }

    /// <summary>Of the host's spans.</summary>
    public bool IndexIsFull { get; init; }

    /// <summary>Where the file has functions.</summary>
    public CallStacks? Stacks { get; init; }

    public void Write()
    {
        ProfileOptions options = info.Options;
        json.Raw("{\n\"schemaVersion\": 1,\n\"deviceProperties\": ["u8);
        for (int i = 0; i < info.Devices.Count; i++) WriteDevice(info.Devices[i], isFirst: i == 0);
        json.Raw("]"u8);
        if (device?.Device is { } trace) Fact("cupti_version", trace.Version);
        if (info.Devices.Count > 0)
        {
            Fact("cuda_runtime_version", info.Devices[0].RuntimeVersion);
            Fact("cuda_driver_version", info.Devices[0].DriverVersion);
        }
        if (Stacks is not null) json.Raw(",\n\"with_stack\": 1"u8);
        if (options.RecordShapes) json.Raw(",\n\"record_shapes\": 1"u8);
        if (ShowsMemory) json.Raw(",\n\"profile_memory\": 1"u8);
        // Readers look for the rank by this very text, the space included.
        json.Raw(",\n\"distributedInfo\": {\"backend\": "u8);
        json.Text(info.Backend);
        json.Property(", \"rank\": "u8, info.RankIndex);
        json.Property(", \"world_size\": "u8, info.WorldSize);
        WriteGroups();
        Member("host_name", Environment.MachineName);
        Member("trace_id", Guid.NewGuid().ToString("N").ToUpperInvariant());
        WriteOwnFacts();
        Member("displayTimeUnit", "ms");
        json.Property(",\n\"baseTimeNanoseconds\": "u8, records.Clock.BaseNanoseconds);
        json.Raw(",\n\"traceEvents\": ["u8);
    }

    private void WriteGroups()
    {
        json.Property(", \"pg_count\": "u8, info.Groups.Count);
        json.Raw(", \"pg_config\": ["u8);
        for (int i = 0; i < info.Groups.Count; i++)
        {
            RankGroupInfo group = info.Groups[i];
            json.Raw(i > 0 ? ", {\"pg_name\": "u8 : "{\"pg_name\": "u8);
            json.Text(i.ToString(CultureInfo.InvariantCulture));
            json.Raw(", \"pg_desc\": "u8);
            json.Text(group.Name);
            json.Raw(", \"backend_config\": "u8);
            json.Text(info.Backend);
            json.Property(", \"pg_size\": "u8, group.Ranks.Count);
            json.Raw(", \"ranks\": ["u8);
            for (int r = 0; r < group.Ranks.Count; r++)
            {
                if (r > 0) json.Raw(", "u8);
                json.Number(group.Ranks[r]);
            }
            json.Raw("]}"u8);
        }
        json.Raw("]}"u8);
    }

    private void WriteDevice(DeviceProperties d, bool isFirst)
    {
        json.Raw(isFirst ? "\n  {\"id\": "u8 : ",\n  {\"id\": "u8);
        json.Number(d.Ordinal);
        json.Raw(", \"name\": "u8);
        json.Text(d.Name);
        json.Property(", \"totalGlobalMem\": "u8, d.TotalMemoryBytes);
        json.Property(", \"computeMajor\": "u8, d.ComputeMajor);
        json.Property(", \"computeMinor\": "u8, d.ComputeMinor);
        json.Property(", \"maxThreadsPerBlock\": "u8, d.ThreadsPerBlock);
        json.Property(", \"maxThreadsPerMultiprocessor\": "u8, d.ThreadsPerProcessor);
        json.Property(", \"regsPerBlock\": "u8, d.RegistersPerBlock);
        json.Property(", \"warpSize\": "u8, d.WarpSize);
        json.Property(", \"sharedMemPerBlock\": "u8, d.SharedBytesPerBlock);
        json.Property(", \"numSms\": "u8, d.NumProcessors);
        json.Property(", \"regsPerMultiprocessor\": "u8, d.RegistersPerProcessor);
        json.Property(", \"sharedMemPerBlockOptin\": "u8, d.SharedBytesPerBlockOptin);
        json.Property(", \"sharedMemPerMultiprocessor\": "u8, d.SharedBytesPerProcessor);
        json.Property(", \"memoryBytesPerSecond\": "u8, d.MemoryBytesPerSecond);
        json.Raw("}"u8);
    }

    private void Fact(string name, long value)
    {
        json.Raw(",\n"u8);
        json.Text(name);
        json.Raw(": "u8);
        json.Number(value);
    }

    /// <summary>What was lost, what recording cost, and what a reader must know.</summary>
    private void WriteOwnFacts()
    {
        double windowNs = Stopwatch.GetElapsedTime(records.StartTicks, records.EndTicks).TotalNanoseconds;
        json.Raw(",\n\"sglang\": {\"profile_id\": "u8);
        json.Text(info.Options.Id);
        json.Raw(", \"activities\": ["u8);
        for (int i = 0; i < info.Options.Activities.Count; i++)
        {
            if (i > 0) json.Raw(", "u8);
            json.Text(info.Options.Activities[i]);
        }
        json.Property("], \"first_step\": "u8, info.FirstStep);
        json.Property(", \"last_step\": "u8, info.LastStep);
        json.Property(", \"num_steps\": "u8, info.NumSteps);
        json.Property(", \"loss\": {\"records_dropped_by_rings\": "u8, records.DroppedByRings);
        json.Property(", \"records_dropped_by_spool\": "u8, records.DroppedBySpool);
        if (Timeline is { } timeline)
        {
            json.Property(", \"device_records_dropped\": "u8, device!.DroppedActivities);
            json.Property(", \"launches_without_kernels\": "u8, timeline.LaunchesWithoutWork);
            json.Property(", \"kernels_without_launches\": "u8, timeline.WorkWithoutLaunch);
            json.Property(", \"kernels_of_unknown_graph_nodes\": "u8, timeline.WorkOfUnknownNodes);
        }
        json.Property("}, \"overhead\": {\"records\": "u8, records.NumRecords);
        if (Timeline is not null) json.Property(", \"device_records\": "u8, device!.NumActivities);
        json.Raw(", \"span_cost_ns\": "u8);
        json.Raw(Decimal(records.SpanCostNanoseconds));
        json.Raw(", \"spans_total_us\": "u8);
        json.Raw(Decimal(records.SpanCostNanoseconds * records.NumRecords / 1000));
        json.Raw(", \"collector_us\": "u8);
        json.Raw(Decimal(records.CollectorMilliseconds * 1000));
        json.Raw(", \"window_us\": "u8);
        json.Raw(Decimal(windowNs / 1000));
        json.Property(", \"spool_bytes\": "u8, records.SpoolBytes);
        json.Raw("}, \"notes\": ["u8);
        bool isFirst = true;
        foreach (string note in Notes())
        {
            if (!isFirst) json.Raw(", "u8);
            isFirst = false;
            json.Text(note);
        }
        json.Raw("]}"u8);
    }

    private IEnumerable<string> Notes()
    {
        foreach (string note in info.Notes) yield return note;
        if (device?.DeviceError is { } error) yield return error;
        if (IndexIsFull) yield return $"The window has more than {HostSpans.MaxSpans} spans; calls in the later ones have no External id.";
        if (Stacks is null) yield break;
        yield return "Functions, of category python_function, last from the first to the last span recorded in them; a span's call stack is the one under which its thread first recorded one of that name in that module.";
        if (Stacks.NumUnknown > 0) yield return $"Of {Stacks.NumUnknown} kinds of spans the call stack is not known, because their threads had no time to look at it.";
        if (records.NumRecords > FunctionEvents.MaxSpans) yield return $"The window has more than {FunctionEvents.MaxSpans} spans; the later ones have no functions.";
    }

    private void Member(string name, string value)
    {
        json.Raw(",\n"u8);
        json.Text(name);
        json.Raw(": "u8);
        json.Text(value);
    }

    private static byte[] Decimal(double value) =>
        System.Text.Encoding.ASCII.GetBytes(double.IsFinite(value) ? value.ToString("0.###", CultureInfo.InvariantCulture) : "0");
}
