using System.Diagnostics;
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

    private static readonly string[] s_modes = ["EXTEND", "DECODE", "MIXED"];

    public static TraceFile Write(TraceCapture capture, TraceFileInfo info)
    {
        string path = Path.Combine(info.Directory, info.FileName);
        long events = 0;
        AtomicFile.Write(path, file =>
        {
            using var gzip = new GZipStream(file, CompressionLevel.Fastest);
            events = new Session(capture, info, path, new JsonText(gzip)).Write();
        });
        return new TraceFile(path, events, new FileInfo(path).Length);
    }

    private sealed class Session
    {
        private readonly TraceCapture _capture;
        private readonly TraceFileInfo _info;
        private readonly string _path;
        private readonly JsonText _json;
        private readonly byte[][] _names;
        private readonly byte[][][] _arguments;
        private readonly Dictionary<int, int> _threadOfRing = [];
        private readonly Dictionary<int, (TraceRecord C, TraceRecord G)> _groups = [];
        private readonly SortedSet<int> _lanes = [];
        private readonly HashSet<int> _threads = [];
        private readonly int _pid = Environment.ProcessId;
        private long _numEvents;
        private long _externalId;

        public Session(TraceCapture capture, TraceFileInfo info, string path, JsonText json)
        {
            _capture = capture;
            _info = info;
            _path = path;
            _json = json;
            _names = [.. capture.Names.Select(name => JsonText.Quote(Clean(name.Text)))];
            _arguments = [.. capture.Names.Select(name => name.Arguments.Select(JsonText.Quote).ToArray())];
            foreach (TracedThread thread in capture.Threads) _threadOfRing[thread.Ring] = thread.ThreadId;
        }

        public long Write()
        {
            WriteHeader();
            _capture.ForEach(WriteRecord);
            WriteMetadata();
            _json.Raw("\n],\n\"traceName\": "u8);
            _json.Text(_path);
            _json.Raw("\n}\n"u8);
            _json.Flush();
            return _numEvents;
        }

        private void WriteHeader()
        {
            ProfileOptions options = _info.Options;
            _json.Raw("{\n\"schemaVersion\": 1,\n\"deviceProperties\": []"u8);
            if (options.RecordShapes) _json.Raw(",\n\"record_shapes\": 1"u8);
            // Readers look for the rank by this very text, the space included.
            _json.Raw(",\n\"distributedInfo\": {\"backend\": \"none\", \"rank\": "u8);
            _json.Number(_info.RankIndex);
            _json.Raw(", \"world_size\": "u8);
            _json.Number(_info.WorldSize);
            _json.Raw(", \"pg_count\": 0, \"pg_config\": []}"u8);
            Member("host_name", Environment.MachineName);
            Member("trace_id", Guid.NewGuid().ToString("N").ToUpperInvariant());
            WriteOwnFacts();
            Member("displayTimeUnit", "ms");
            _json.Raw(",\n\"baseTimeNanoseconds\": "u8);
            _json.Number(_capture.Clock.BaseNanoseconds);
            _json.Raw(",\n\"traceEvents\": ["u8);
        }

        /// <summary>What was lost, what recording cost, and what a reader must know.</summary>
        private void WriteOwnFacts()
        {
            TraceCapture c = _capture;
            double windowNs = Stopwatch.GetElapsedTime(c.StartTicks, c.EndTicks).TotalNanoseconds;
            _json.Raw(",\n\"sglang\": {\"profile_id\": "u8);
            _json.Text(_info.Options.Id);
            _json.Raw(", \"activities\": ["u8);
            for (int i = 0; i < _info.Options.Activities.Count; i++)
            {
                if (i > 0) _json.Raw(", "u8);
                _json.Text(_info.Options.Activities[i]);
            }
            _json.Raw("], \"first_step\": "u8);
            _json.Number(_info.FirstStep);
            _json.Raw(", \"last_step\": "u8);
            _json.Number(_info.LastStep);
            _json.Raw(", \"num_steps\": "u8);
            _json.Number(_info.NumSteps);
            _json.Raw(", \"loss\": {\"records_dropped_by_rings\": "u8);
            _json.Number(c.DroppedByRings);
            _json.Raw(", \"records_dropped_by_spool\": "u8);
            _json.Number(c.DroppedBySpool);
            _json.Raw("}, \"overhead\": {\"records\": "u8);
            _json.Number(c.NumRecords);
            _json.Raw(", \"span_cost_ns\": "u8);
            _json.Raw(Decimal(c.SpanCostNanoseconds));
            _json.Raw(", \"spans_total_us\": "u8);
            _json.Raw(Decimal(c.SpanCostNanoseconds * c.NumRecords / 1000));
            _json.Raw(", \"collector_us\": "u8);
            _json.Raw(Decimal(c.CollectorMilliseconds * 1000));
            _json.Raw(", \"window_us\": "u8);
            _json.Raw(Decimal(windowNs / 1000));
            _json.Raw(", \"spool_bytes\": "u8);
            _json.Number(c.SpoolBytes);
            _json.Raw("}, \"notes\": ["u8);
            for (int i = 0; i < _info.Notes.Count; i++)
            {
                if (i > 0) _json.Raw(", "u8);
                _json.Text(_info.Notes[i]);
            }
            _json.Raw("]}"u8);
        }

        private void WriteRecord(int ring, ref readonly TraceRecord record)
        {
            if (_info.Stage != TraceStage.Any && record.Stage != TraceStage.Any && record.Stage != _info.Stage) return;
            if (record.Kind == TraceKind.StepGroup)
            {
                (TraceRecord c, TraceRecord g) = _groups.GetValueOrDefault(ring);
                _groups[ring] = record.Count == 0 ? (record, g) : (c, record);
                return;
            }
            // A thread that was interrupted between two windows may leave a record of the first in the second.
            if (record.Lane == 0 && record.Start < _capture.StartTicks) return;
            long start = Math.Max(record.Start, _capture.StartTicks);
            if (record.End < start) return;
            int thread = record.Lane > 0 ? FirstLaneThread + record.Lane - 1 : _threadOfRing[ring];
            if (record.Lane > 0) _lanes.Add(record.Lane - 1);
            else _threads.Add(ring);

            NextEvent();
            _json.Raw("{\"ph\":\"X\",\"cat\":"u8);
            _json.Raw(record.Kind == TraceKind.Module ? "\"cpu_op\""u8 : "\"user_annotation\""u8);
            _json.Raw(",\"name\":"u8);
            if (record.Kind == TraceKind.Step) WriteStepName(ring, in record);
            else _json.Raw(_names[record.Name]);
            _json.Raw(",\"pid\":"u8);
            _json.Number(_pid);
            _json.Raw(",\"tid\":"u8);
            _json.Number(thread);
            _json.Raw(",\"ts\":"u8);
            long from = _capture.Clock.Relative(start);
            _json.Microseconds(from);
            _json.Raw(",\"dur\":"u8);
            _json.Microseconds(_capture.Clock.Relative(record.End) - from);
            _json.Raw(",\"args\":{\"External id\":"u8);
            _json.Number(++_externalId);
            switch (record.Kind)
            {
                case TraceKind.Module:
                    if (_info.Options.RecordShapes) WriteShape(in record);
                    break;
                case TraceKind.Step:
                    _json.Raw(",\"step\":"u8);
                    _json.Number(record.A);
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

        private void WriteShape(in TraceRecord record)
        {
            _json.Raw(",\"Input type\":["u8);
            _json.Raw(TypeName(record.Type));
            _json.Raw("],\"Input Dims\":[["u8);
            for (int i = 0; i < record.Count; i++)
            {
                if (i > 0) _json.Raw(","u8);
                _json.Number(i switch { 0 => record.A, 1 => record.B, 2 => record.C, _ => record.D });
            }
            _json.Raw("]]"u8);
        }

        /// <summary>spec/profiling.md 6.2.</summary>
        private void WriteStepName(int ring, in TraceRecord step)
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
            _json.Text(name + "]");
        }

        private static string Sums(char group, in TraceRecord r, bool squaresFirst) => squaresFirst
            ? $" {group}_sq={r.A} {group}_sqsq={r.C} {group}_sqsk={r.D} {group}_sk={r.B}"
            : $" {group}_sq={r.A} {group}_sk={r.B} {group}_sqsq={r.C} {group}_sqsk={r.D}";

        private void WriteMetadata()
        {
            long start = _capture.Clock.Relative(_capture.StartTicks);
            long end = Math.Max(start, _capture.Clock.Relative(_capture.EndTicks));
            Meta("process_name", start, _pid, 0, "name", JsonText.Quote("sglang"));
            Meta("process_labels", start, _pid, 0, "labels", "\"CPU\""u8);
            Meta("process_sort_index", start, _pid, 0, "sort_index", Digits(_pid));
            foreach (TracedThread thread in _capture.Threads)
                if (_threads.Contains(thread.Ring)) Track(thread.ThreadId, $"thread {thread.ThreadId} ({thread.Name})");
            foreach (int lane in _lanes) Track(FirstLaneThread + lane, $"thread {FirstLaneThread + lane} (HTTP request lane {lane})");

            NextEvent();
            _json.Raw("{\"ph\":\"X\",\"cat\":\"Trace\",\"name\":\"PyTorch Profiler (0)\",\"pid\":\"Spans\",\"tid\":\"PyTorch Profiler\",\"ts\":"u8);
            _json.Microseconds(start);
            _json.Raw(",\"dur\":"u8);
            _json.Microseconds(end - start);
            _json.Raw(",\"args\":{\"Op count\":"u8);
            _json.Number(_capture.NumRecords);
            _json.Raw("}}"u8);
            NextEvent();
            _json.Raw("{\"name\":\"process_sort_index\",\"ph\":\"M\",\"ts\":"u8);
            _json.Microseconds(start);
            _json.Raw(",\"pid\":\"Spans\",\"tid\":0,\"args\":{\"sort_index\":536870912}}"u8);
            Mark("Iteration Start: PyTorch Profiler", "Traces", "Trace PyTorch Profiler", start);
            Mark("Record Window End", "", "", end);

            void Track(int thread, string name)
            {
                Meta("thread_name", start, _pid, thread, "name", JsonText.Quote(Clean(name)));
                Meta("thread_sort_index", start, _pid, thread, "sort_index", Digits(thread));
            }
        }

        private void Meta(string name, long time, int pid, int tid, string key, ReadOnlySpan<byte> value)
        {
            NextEvent();
            _json.Raw("{\"name\":"u8);
            _json.Text(name);
            _json.Raw(",\"ph\":\"M\",\"ts\":"u8);
            _json.Microseconds(time);
            _json.Raw(",\"pid\":"u8);
            _json.Number(pid);
            _json.Raw(",\"tid\":"u8);
            _json.Number(tid);
            _json.Raw(",\"args\":{"u8);
            _json.Text(key);
            _json.Raw(":"u8);
            _json.Raw(value);
            _json.Raw("}}"u8);
        }

        private void Mark(string name, string pid, string tid, long time)
        {
            NextEvent();
            _json.Raw("{\"name\":"u8);
            _json.Text(name);
            _json.Raw(",\"ph\":\"i\",\"s\":\"g\",\"pid\":"u8);
            _json.Text(pid);
            _json.Raw(",\"tid\":"u8);
            _json.Text(tid);
            _json.Raw(",\"ts\":"u8);
            _json.Microseconds(time);
            _json.Raw("}"u8);
        }

        private void Member(string name, string value)
        {
            _json.Raw(",\n"u8);
            _json.Text(name);
            _json.Raw(": "u8);
            _json.Text(value);
        }

        private void NextEvent() => _json.Raw(_numEvents++ == 0 ? "\n"u8 : ",\n"u8);

        private static byte[] Digits(long value) => System.Text.Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));

        private static byte[] Decimal(double value) =>
            System.Text.Encoding.ASCII.GetBytes(double.IsFinite(value) ? value.ToString("0.###", CultureInfo.InvariantCulture) : "0");

        /// <summary>As Kineto writes strings: no newline, slashes for backslashes.</summary>
        private static string Clean(string text) => text.Replace("\n", "", StringComparison.Ordinal).Replace('\\', '/');

        /// <summary>By the numbering of the C interface's element types.</summary>
        private static ReadOnlySpan<byte> TypeName(byte type) => type switch
        {
            0 => "\"float\""u8,
            1 => "\"c10::BFloat16\""u8,
            2 => "\"c10::Half\""u8,
            3 => "\"int\""u8,
            4 => "\"long int\""u8,
            5 => "\"unsigned char\""u8,
            6 => "\"c10::Float8_e4m3fn\""u8,
            _ => "\"c10::Float8_e5m2\""u8,
        };
    }
}
