using System.Globalization;
using System.Text;
using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>Writes the calls, kernels, copies, sets and waits of a <see cref="DeviceTimeline"/>, with the arrows between them.</summary>
internal sealed class DeviceEvents
{
    /// <summary>Between the track of a stream and those of its waits and of its lanes for overlaps.</summary>
    private const int TrackStride = 1_000_000;
    private const int OverheadProcess = -1;

    /// <summary>Kernels of graphs that are put in order at once: some 20 MB.</summary>
    private const int MaxDeferred = 1 << 17;

    private readonly TraceCapture _capture;
    private readonly DeviceTimeline _timeline;
    private readonly EventText _events;
    private readonly JsonText _json;
    private readonly byte[][] _names;
    private readonly Func<HostSpan, byte[]> _nameOfSpan;
    private readonly bool _recordShapes;
    private readonly Dictionary<uint, DeviceProperties> _devices;
    private readonly Dictionary<int, byte[]> _activityNames = [];
    private readonly SortedSet<int> _callThreads = [];
    private readonly HashSet<(uint Device, int Stream)> _syncTracks = [];
    private readonly HashSet<uint> _devicesWithWaits = [];
    private readonly List<(SglActivity Activity, DeviceTimeline.Work Work)> _replayed = [];
    private readonly Dictionary<string, int> _kinds = new(StringComparer.Ordinal);
    private readonly Dictionary<int, int> _kindOfModule = [];
    private int _nextWork;
    private bool _hasOverhead;

    /// <param name="names">Registered names, quoted.</param>
    /// <param name="nameOfSpan">A span's name as its own event has it, quoted.</param>
    public DeviceEvents(TraceCapture capture, DeviceTimeline timeline, EventText events, byte[][] names, Func<HostSpan, byte[]> nameOfSpan,
        bool recordShapes, IReadOnlyList<DeviceProperties> devices)
    {
        _capture = capture;
        _timeline = timeline;
        _events = events;
        _json = events.Json;
        _names = names;
        _nameOfSpan = nameOfSpan;
        _recordShapes = recordShapes;
        _devices = devices.ToDictionary(device => (uint)device.Ordinal);
    }

    /// <summary>Threads that called the device, by the kernel's numbers.</summary>
    public IReadOnlyCollection<int> CallThreads => _callThreads;

    public void Write()
    {
        _capture.ForEachActivity(WriteActivity);
        WriteReplayed();
        foreach (DeviceTimeline.Annotation annotation in _timeline.Annotations)
        {
            long start = Relative(annotation.Start);
            _events.BeginComplete("gpu_user_annotation"u8, _nameOfSpan(annotation.Span), (int)annotation.Device, annotation.Stream, start, Relative(annotation.End) - start);
            _json.Property(",\"args\":{\"External id\":"u8, annotation.Span.Id);
            _json.Raw("}}"u8);
        }
    }

    public void WriteMetadata(long time)
    {
        foreach (uint device in _timeline.Devices.Union(_devicesWithWaits).Order())
        {
            _events.Meta("process_name", time, (int)device, 0, "name", "\"sglang\""u8);
            _events.Meta("process_labels", time, (int)device, 0, "labels", Encoding.ASCII.GetBytes($"\"GPU {device}\""));
            _events.Meta("process_sort_index", time, (int)device, 0, "sort_index", Digits(5_000_000 + device));
        }
        foreach (((uint device, int stream), int lanes) in _timeline.Lanes)
            for (int lane = 0; lane < lanes; lane++)
                Track(device, LaneTrack(stream, lane), lane == 0 ? $"stream {stream} " : $"stream {stream} (overlap {lane})", stream);
        foreach ((uint device, int stream) in _syncTracks) Track(device, stream + TrackStride, $"stream {stream} (sync)", stream);
        foreach (uint device in _devicesWithWaits) Track(device, 1, "device (sync)", 1);
        if (!_hasOverhead) return;
        _events.Meta("process_name", time, OverheadProcess, 0, "name", "\"sglang\""u8);
        _events.Meta("process_labels", time, OverheadProcess, 0, "labels", "\"CUPTI overhead\""u8);
        _events.Meta("process_sort_index", time, OverheadProcess, 0, "sort_index", Digits(0x20000001));

        void Track(uint device, int thread, string name, int sort)
        {
            _events.Meta("thread_name", time, (int)device, thread, "name", JsonText.Quote(name));
            _events.Meta("thread_sort_index", time, (int)device, thread, "sort_index", Digits(sort));
        }
    }

    private void WriteActivity(ref readonly SglActivity a)
    {
        switch (a.Kind)
        {
            case SglActivityKind.Runtime or SglActivityKind.Driver:
                WriteCall(in a);
                break;
            case SglActivityKind.Sync:
                WriteWait(in a);
                break;
            case SglActivityKind.Overhead:
                if (a.StartNs < _capture.StartTicks || a.StartNs > _capture.EndTicks) break;
                _hasOverhead = true;
                Begin("overhead"u8, in a, OverheadProcess, 0);
                _json.Raw("}"u8);
                break;
            default:
                if (!_timeline.Belongs(in a)) break;
                DeviceTimeline.Work work = _timeline[_nextWork++];
                if (a is not { Kind: SglActivityKind.Kernel, GraphNode: not 0 })
                {
                    WriteWork(in a, work);
                    break;
                }
                _replayed.Add((a, work));
                if (_replayed.Count == MaxDeferred) WriteReplayed();
                break;
        }
    }

    /// <summary>
    /// Kernels of graphs, alike ones next to each other: a step's are more text than gzip looks back, so that in the order of their times each step
    /// would be packed as if there had been none before. Readers put events in order themselves, as they must with Kineto's.
    /// </summary>
    private void WriteReplayed()
    {
        _replayed.Sort((a, b) =>
        {
            int order = a.Activity.Name.CompareTo(b.Activity.Name);
            if (order == 0) order = KindOf(a.Work).CompareTo(KindOf(b.Work));
            return order != 0 ? order : a.Activity.StartNs.CompareTo(b.Activity.StartNs);
        });
        foreach ((SglActivity activity, DeviceTimeline.Work work) in _replayed) WriteWork(in activity, work);
        _replayed.Clear();
    }

    /// <summary>The same number for modules that differ only in the number of their layer.</summary>
    private int KindOf(DeviceTimeline.Work work)
    {
        if (work.Operator is not { Module: >= 0 } op) return -1;
        if (_kindOfModule.TryGetValue(op.Module, out int kind)) return kind;
        string path = string.Concat(Encoding.UTF8.GetString(_names[op.Module]).Where(c => !char.IsAsciiDigit(c)));
        if (!_kinds.TryGetValue(path, out kind)) _kinds.Add(path, kind = _kinds.Count);
        _kindOfModule.Add(op.Module, kind);
        return kind;
    }

    private void WriteCall(in SglActivity call)
    {
        if (_timeline.IsNoise(in call) || !_timeline.TryGetLaunch(call.Correlation, out DeviceTimeline.Launch launch)) return;
        int thread = (int)call.Thread;
        _callThreads.Add(thread);
        Begin(call.Kind == SglActivityKind.Runtime ? "cuda_runtime"u8 : "cuda_driver"u8, in call, _events.Pid, thread);
        BeginArgs(launch);
        _json.Property("\"cbid\":"u8, call.Detail);
        _json.Property(",\"correlation\":"u8, call.Correlation);
        _json.Raw("}}"u8);
        if (launch.NumWorks > 0) _events.Flow(isStart: true, call.Correlation, _events.Pid, thread, Relative(call.StartNs));
    }

    private unsafe void WriteWork(in SglActivity a, DeviceTimeline.Work work)
    {
        int track = LaneTrack(a.Stream, work.Lane);
        Begin(a.Kind switch { SglActivityKind.Kernel => "kernel"u8, SglActivityKind.Copy => "gpu_memcpy"u8, _ => "gpu_memset"u8 }, in a, (int)a.Device, track);
        BeginArgs(work.Launch);
        if (a.Kind == SglActivityKind.Kernel) _json.Raw("\"queued\":0,"u8);
        _json.Property("\"device\":"u8, a.Device);
        _json.Property(",\"context\":"u8, a.Context);
        _json.Property(",\"stream\":"u8, a.Stream);
        _json.Property(",\"correlation\":"u8, a.Correlation);
        if (a.Kind == SglActivityKind.Kernel) WriteShape(in a);
        else WriteTransfer(in a);
        if (a.GraphNode != 0)
        {
            _json.Property(",\"graph id\":"u8, a.Graph);
            _json.Property(",\"graph node id\":"u8, (long)a.GraphNode);
        }
        if (work.Operator is { } op) WriteOperator(in op, work);
        _json.Raw("}}"u8);
        // A graph's launch has one arrow, to the kernel that begins first: readers find the others by the correlation they share.
        if (work.Launch is null || (a.GraphNode != 0 && !work.IsFirstOfLaunch)) return;
        _events.Flow(isStart: false, a.Correlation, (int)a.Device, track, Relative(a.StartNs));
    }

    private unsafe void WriteShape(in SglActivity k)
    {
        DeviceProperties? device = _devices.GetValueOrDefault(k.Device);
        long blocks = (long)k.Grid[0] * k.Grid[1] * k.Grid[2], threads = (long)k.Block[0] * k.Block[1] * k.Block[2];
        double blocksPerProcessor = device is null ? 0 : (double)blocks / device.NumProcessors;
        _json.Property(",\"registers per thread\":"u8, k.RegistersPerThread);
        _json.Property(",\"shared memory\":"u8, k.StaticSharedBytes + k.DynamicSharedBytes);
        if (device is not null)
        {
            _json.Raw(",\"blocks per SM\":"u8);
            _json.Raw(Decimal(blocksPerProcessor));
            _json.Raw(",\"warps per SM\":"u8);
            _json.Raw(Decimal(blocksPerProcessor * threads / 32));
        }
        _json.Raw(",\"grid\":"u8);
        Triple(k.Grid[0], k.Grid[1], k.Grid[2]);
        _json.Raw(",\"block\":"u8);
        Triple(k.Block[0], k.Block[1], k.Block[2]);
        if (device is null) return;
        _json.Property(",\"est. achieved occupancy %\":"u8, Occupancy.Percent(device, in k, blocksPerProcessor));
    }

    private void WriteTransfer(in SglActivity a)
    {
        _json.Property(",\"bytes\":"u8, a.NumBytes);
        _json.Raw(",\"memory bandwidth (GB/s)\":"u8);
        _json.Raw(Decimal((double)a.NumBytes / Math.Max(1, a.EndNs - a.StartNs)));
    }

    private void WriteOperator(in GraphOperator op, DeviceTimeline.Work work)
    {
        if (op.Module >= 0)
        {
            _json.Raw(",\"module\":"u8);
            _json.Raw(_names[op.Module]);
        }
        _json.Raw(",\"operator\":"u8);
        _json.Raw(_names[op.Operator]);
        if (!work.IsFirstOfOperator) return;
        if (_recordShapes && op.Rank > 0)
        {
            _json.Raw(","u8);
            TraceShapes.Write(_json, op.Rank, op.Type, op.A, op.B, op.C, op.D);
        }
        OperatorCost cost = op.Cost.ForBatch(work.Pairs, work.Keys);
        _json.Property(",\"flops\":"u8, cost.Flops);
        _json.Property(",\"bytes\":"u8, cost.Bytes);
    }

    private void WriteWait(in SglActivity wait)
    {
        if (!_timeline.TryGetLaunch(wait.Correlation, out DeviceTimeline.Launch launch)) return;
        uint device = _timeline.DeviceOf(wait.Context);
        int track = wait.Stream < 0 ? 1 : wait.Stream + TrackStride;
        if (wait.Stream < 0) _devicesWithWaits.Add(device);
        else _syncTracks.Add((device, wait.Stream));
        Begin("cuda_sync"u8, in wait, (int)device, track);
        BeginArgs(launch);
        _json.Raw("\"cuda_sync_kind\":"u8);
        _json.Raw(NameOf(wait.Name));
        _json.Property(",\"stream\":"u8, wait.Stream);
        _json.Property(",\"correlation\":"u8, wait.Correlation);
        _json.Property(",\"device\":"u8, device);
        _json.Property(",\"context\":"u8, wait.Context);
        _json.Raw("}}"u8);
        _events.Flow(isStart: false, wait.Correlation, (int)device, track, Relative(wait.StartNs));
    }

    private void Begin(ReadOnlySpan<byte> category, in SglActivity a, int process, int track)
    {
        long start = Relative(a.StartNs);
        _events.BeginComplete(category, NameOf(a.Name), process, track, start, Math.Max(0, Relative(a.EndNs) - start));
    }

    /// <summary>Calls and work outside every operator have no `External id`.</summary>
    private void BeginArgs(DeviceTimeline.Launch? launch)
    {
        _json.Raw(",\"args\":{"u8);
        if (launch is not { ExternalId: > 0 }) return;
        _json.Property("\"External id\":"u8, launch.ExternalId);
        _json.Raw(","u8);
    }

    private void Triple(int x, int y, int z)
    {
        _json.Raw("["u8);
        _json.Number(x);
        _json.Raw(","u8);
        _json.Number(y);
        _json.Raw(","u8);
        _json.Number(z);
        _json.Raw("]"u8);
    }

    private byte[] NameOf(int id)
    {
        if (!_activityNames.TryGetValue(id, out byte[]? name)) _activityNames.Add(id, name = JsonText.Quote(ChromeTraceWriter.Clean(_capture.Device!.NameOf(id))));
        return name;
    }

    private long Relative(long ticks) => _capture.Clock.Relative(ticks);

    private static int LaneTrack(int stream, int lane) => lane == 0 ? stream : stream + (lane + 1) * TrackStride;

    private static byte[] Digits(long value) => Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));

    private static byte[] Decimal(double value) => Encoding.ASCII.GetBytes(value.ToString("0.######", CultureInfo.InvariantCulture));
}
