using System.Globalization;
using System.IO.Compression;

namespace SgLang.Profiling;

/// <summary>
/// Writes a capture as Chrome trace JSON in the manner of Kineto (spec/profiling.md 10), gzip compressed, event by event from the spool.
/// </summary>
public static class ChromeTraceWriter
{
    /// <summary>Lanes of requests get thread numbers that no kernel gives.</summary>
    public const int FirstLaneThread = 10_000_000;

    /// <summary>
    /// Events repeat each other but for a few digits. From level 7 on zlib looks for the longest of the earlier ones rather than the nearest, and
    /// "filtered" spells short runs of digits out instead of pointing at them: a quarter less file than at the default, for one more millisecond
    /// per thousand events of this thread, which nobody waits for.
    /// </summary>
    private static readonly ZLibCompressionOptions s_compression = new() { CompressionLevel = 8, CompressionStrategy = ZLibCompressionStrategy.Filtered };

    private static readonly string[] s_modes = ["EXTEND", "DECODE", "MIXED"];

    /// <summary>As Kineto writes strings: no newline, slashes for backslashes.</summary>
    internal static string Clean(string text) => text.Replace("\n", "", StringComparison.Ordinal).Replace('\\', '/');

    /// <param name="records">Of a <see cref="TraceCapture"/>, device activity is written as well.</param>
    public static TraceFile Write(ITraceRecords records, TraceFileInfo info)
    {
        string path = Path.Combine(info.Directory, info.FileName);
        long events = 0;
        AtomicFile.Write(path, file =>
        {
            using var gzip = new GZipStream(file, s_compression);
            events = new Session(records, info, path, new JsonText(gzip)).Write();
        });
        return new TraceFile(path, events, new FileInfo(path).Length);
    }

    private sealed class Session
    {
        private readonly ITraceRecords _records;
        private readonly TraceCapture? _device;
        private readonly TraceFileInfo _info;
        private readonly string _path;
        private readonly JsonText _json;
        private readonly EventText _events;
        private readonly DeviceTimeline? _timeline;
        private readonly FunctionEvents? _functions;
        private readonly byte[][] _names;
        private readonly byte[][][] _arguments;
        private readonly Dictionary<int, int> _threadOfRing = [];

        // Whose spans and calls are in other ranks' files.
        private readonly HashSet<int> _otherThreads = [];
        private readonly Dictionary<int, (TraceRecord C, TraceRecord G)> _groups = [];
        private readonly SortedSet<int> _lanes = [];
        private readonly HashSet<int> _threads = [];
        private readonly Dictionary<int, TraceRecord> _costs = [];
        private readonly Dictionary<long, byte[]> _stepNames = [];
        private readonly int _pid = Environment.ProcessId;
        private readonly bool _indexIsFull;
        private readonly int _usedTokensName;
        private readonly MemoryEvents? _memory;

        // Of the record being visited, among all of the spool: what is written as its `External id`.
        private long _ordinal;

        public Session(ITraceRecords records, TraceFileInfo info, string path, JsonText json)
        {
            _records = records;
            _device = records is TraceCapture { Device: not null } capture ? capture : null;
            _info = info;
            _path = path;
            _json = json;
            _events = new EventText(json, _pid);
            _usedTokensName = info.Memory is null ? -1 : Array.FindIndex(records.Names, name => name.Text == TraceMemory.UsedTokensSpan);
            if (info.Options.WithStack && info.Options.RecordsHost && records.Stacks is { } stacks) _functions = new FunctionEvents(stacks, records.Names);
            _names = [.. records.Names.Select(name => JsonText.Quote(Clean(name.Text)))];
            _arguments = [.. records.Names.Select(name => name.Arguments.Select(JsonText.Quote).ToArray())];
            foreach (TracedThread thread in records.Threads)
            {
                if (info.Includes?.Invoke(thread) != false) _threadOfRing[thread.Ring] = thread.ThreadId;
                else _otherThreads.Add(thread.ThreadId);
            }
            if (info.Memory is { } memory) _memory = new MemoryEvents(_events, records, memory, TrackOfMemory());
            if (_device is null) return;
            HostSpans spans = new();
            records.ForEach((int ring, ref readonly TraceRecord record) => Index(spans, ring, in record));
            spans.Seal();
            _indexIsFull = spans.IsFull;
            _timeline = new DeviceTimeline(_device, spans, needsStep: info.Stage != TraceStage.Any, OwnsThread, info.OwnsDevice);
        }

        private bool OwnsThread(int thread) => !_otherThreads.Contains(thread) && (_info.IsFirstOfProcess || _threadOfRing.ContainsValue(thread));

        /// <summary>The rank's thread, else any of the file's; the process itself where there is none.</summary>
        private int TrackOfMemory()
        {
            TracedThread[] threads = [.. _records.Threads.Where(thread => _threadOfRing.ContainsKey(thread.Ring))];
            if (threads.Length == 0) return _pid;
            TracedThread chosen = threads.FirstOrDefault(thread => thread.Name.StartsWith("sgl-rank", StringComparison.Ordinal), threads[0]);
            _threads.Add(chosen.Ring);
            return chosen.ThreadId;
        }

        private void Index(HostSpans spans, int ring, ref readonly TraceRecord record)
        {
            _ordinal++;
            if (record.Lane > 0 || !IsInFile(in record) || record.Kind is TraceKind.StepGroup or TraceKind.OperatorCost) return;
            if (record.Start < _records.StartTicks || !_threadOfRing.TryGetValue(ring, out int thread)) return;
            spans.Add(thread, new HostSpan(record.Start, record.End, _ordinal, record.Name, record.Kind, record.A, record.B, record.C));
        }

        private bool IsInFile(in TraceRecord record) => _info.Stage == TraceStage.Any || record.Stage == TraceStage.Any || record.Stage == _info.Stage;

        public long Write()
        {
            new TraceHead(_json, _records, _device, _info) { ShowsMemory = _memory is not null, Timeline = _timeline, IndexIsFull = _indexIsFull, Stacks = _functions is null ? null : _records.Stacks }.Write();
            _ordinal = 0;
            _memory?.WriteStart();
            _records.ForEach(WriteRecord);
            _memory?.WriteChanges();
            _functions?.Write(_events, _records.Clock);
            DeviceEvents? device = null;
            if (_timeline is not null)
            {
                device = new DeviceEvents(_device!, _timeline, _events, _names, NameOfSpan, _info.Options.RecordShapes, _info.Devices);
                device.Write();
            }
            WriteMetadata(device);
            _json.Raw("\n],\n\"traceName\": "u8);
            _json.Text(_path);
            _json.Raw("\n}\n"u8);
            _json.Flush();
            return _events.Count;
        }

        private void WriteRecord(int ring, ref readonly TraceRecord record)
        {
            _ordinal++;
            if (!IsInFile(in record)) return;
            // Requests still open at the end belong to no thread; all requests are in the first rank's file.
            if (record.Lane > 0 ? !_info.IsFirstOfProcess : !_threadOfRing.ContainsKey(ring)) return;
            if (record.Kind == TraceKind.StepGroup)
            {
                (TraceRecord c, TraceRecord g) = _groups.GetValueOrDefault(ring);
                _groups[ring] = record.Count == 0 ? (record, g) : (c, record);
                return;
            }
            if (record.Kind == TraceKind.OperatorCost)
            {
                _costs[ring] = record;
                return;
            }
            if (record.Name == _usedTokensName && record is { Kind: TraceKind.Span, Lane: 0, Count: 0 } && record.Start >= _records.StartTicks)
            {
                _memory!.WritePlan(record.End, record.C, _threadOfRing[ring]);
                _threads.Add(ring);
            }
            // Without host activity only steps are left, which say what the device's work belongs to.
            if (!_info.Options.RecordsHost && record.Kind != TraceKind.Step) return;
            // A thread that was interrupted between two windows may leave a record of the first in the second.
            if (record.Lane == 0 && record.Start < _records.StartTicks) return;
            long start = Math.Max(record.Start, _records.StartTicks);
            if (record.End < start) return;
            int thread = record.Lane > 0 ? FirstLaneThread + record.Lane - 1 : _threadOfRing[ring];
            if (record.Lane > 0) _lanes.Add(record.Lane - 1);
            else
            {
                _threads.Add(ring);
                _functions?.Add(ring, thread, in record);
            }

            long from = _records.Clock.Relative(start);
            byte[] name = record.Kind == TraceKind.Step ? StepName(ring, in record) : _names[record.Name];
            _events.BeginComplete(record.Kind is TraceKind.Module or TraceKind.Operator ? "cpu_op"u8 : "user_annotation"u8, name, _pid, thread, from,
                _records.Clock.Relative(record.End) - from);
            _json.Property(",\"args\":{\"External id\":"u8, _ordinal);
            switch (record.Kind)
            {
                case TraceKind.Module or TraceKind.Operator:
                    if (_info.Options.RecordShapes && record.Count > 0)
                    {
                        _json.Raw(","u8);
                        TraceShapes.Write(_json, record.Count, record.Type, record.A, record.B, record.C, record.D);
                    }
                    if (record.Kind == TraceKind.Operator && _costs.Remove(ring, out TraceRecord cost))
                    {
                        _json.Property(",\"flops\":"u8, cost.A);
                        _json.Property(",\"bytes\":"u8, cost.B);
                    }
                    break;
                case TraceKind.GraphLaunch:
                    _json.Property(",\"graph\":"u8, record.A);
                    break;
                case TraceKind.Step:
                    _json.Property(",\"step\":"u8, record.A);
                    break;
                default:
                    WriteArguments(in record);
                    break;
            }
            _json.Raw("}}"u8);
        }

        private void WriteArguments(in TraceRecord record)
        {
            byte[][] names = _arguments[record.Name];
            for (int i = 0; i < names.Length && record.Count == 0; i++)
            {
                _json.Raw(","u8);
                _json.Raw(names[i]);
                _json.Raw(":"u8);
                _json.Number(i switch { 0 => record.A, 1 => record.B, 2 => record.C, _ => record.D });
            }
            // Still open when the window ended.
            if (record.Count == 1) _json.Raw(",\"finished\":\"false\""u8);
        }

        /// <summary>spec/profiling.md 6.2.</summary>
        private byte[] StepName(int ring, in TraceRecord step)
        {
            var mode = (StepMode)step.D;
            string name = mode == StepMode.Extend ? $"step[EXTEND bs={step.B} toks={step.C}" : $"step[{s_modes[step.D]} bs={step.B}";
            if (_info.Options.DetailedAnnotations && _groups.Remove(ring, out (TraceRecord C, TraceRecord G) sums))
            {
                name += mode switch
                {
                    StepMode.Extend => Sums('c', sums.C, squaresFirst: true),
                    StepMode.Decode => Sums('g', sums.G, squaresFirst: true),
                    _ => $" c={sums.C.Name} g={sums.G.Name}{Sums('c', sums.C, squaresFirst: false)}{Sums('g', sums.G, squaresFirst: false)}",
                };
            }
            byte[] quoted = JsonText.Quote(name + "]");
            // Its twins on streams are named after it.
            if (_timeline is not null) _stepNames[_ordinal] = quoted;
            return quoted;
        }

        private byte[] NameOfSpan(HostSpan span) => span.Kind == TraceKind.Step ? _stepNames[span.Id] : _names[span.Name];

        private static string Sums(char group, in TraceRecord r, bool squaresFirst) => squaresFirst
            ? $" {group}_sq={r.A} {group}_sqsq={r.C} {group}_sqsk={r.D} {group}_sk={r.B}"
            : $" {group}_sq={r.A} {group}_sk={r.B} {group}_sqsq={r.C} {group}_sqsk={r.D}";

        private void WriteMetadata(DeviceEvents? device)
        {
            long start = _records.Clock.Relative(_records.StartTicks);
            long end = Math.Max(start, _records.Clock.Relative(_records.EndTicks));
            _events.Meta("process_name", start, _pid, 0, "name", JsonText.Quote("sglang"));
            _events.Meta("process_labels", start, _pid, 0, "labels", "\"CPU\""u8);
            _events.Meta("process_sort_index", start, _pid, 0, "sort_index", Digits(_pid));
            foreach (TracedThread thread in _records.Threads)
                if (_threads.Contains(thread.Ring)) Track(thread.ThreadId, $"thread {thread.ThreadId} ({thread.Name})");
            if (device is not null)
            {
                device.WriteMetadata(start);
                foreach (int thread in device.CallThreads.Except(_records.Threads.Where(t => _threads.Contains(t.Ring)).Select(t => t.ThreadId)))
                    Track(thread, $"thread {thread} (cuda)");
            }
            foreach (int lane in _lanes) Track(FirstLaneThread + lane, $"thread {FirstLaneThread + lane} (HTTP request lane {lane})");

            _events.Next();
            _json.Raw("{\"ph\":\"X\",\"cat\":\"Trace\",\"name\":\"PyTorch Profiler (0)\",\"pid\":\"Spans\",\"tid\":\"PyTorch Profiler\",\"ts\":"u8);
            _json.Microseconds(start);
            _json.Raw(",\"dur\":"u8);
            _json.Microseconds(end - start);
            _json.Property(",\"args\":{\"Op count\":"u8, _records.NumRecords);
            _json.Raw("}}"u8);
            _events.Next();
            _json.Raw("{\"name\":\"process_sort_index\",\"ph\":\"M\",\"ts\":"u8);
            _json.Microseconds(start);
            _json.Raw(",\"pid\":\"Spans\",\"tid\":0,\"args\":{\"sort_index\":536870912}}"u8);
            _events.Mark("Iteration Start: PyTorch Profiler", "Traces", "Trace PyTorch Profiler", start);
            _events.Mark("Record Window End", "", "", end);

            void Track(int thread, string name)
            {
                _events.Meta("thread_name", start, _pid, thread, "name", JsonText.Quote(Clean(name)));
                _events.Meta("thread_sort_index", start, _pid, thread, "sort_index", Digits(thread));
            }
        }

        private static byte[] Digits(long value) => System.Text.Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));
    }
}
