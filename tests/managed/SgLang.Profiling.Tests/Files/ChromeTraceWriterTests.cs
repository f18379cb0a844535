using System.IO.Compression;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Files;

public sealed class ChromeTraceWriterTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-trace");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private ProfileOptions Options => new() { OutputDirectory = _directory, Id = "17.5", Prefix = "p", NumSteps = 1 };

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private JsonNode WriteOne(TraceRecorder recorder, Action work, out TraceFile file, TraceFileInfo? info = null)
    {
        TraceFile? written = null;
        TraceCapture capture = new(recorder, _directory, done =>
            written = ChromeTraceWriter.Write(done, info ?? new TraceFileInfo { Options = Options, Rank = new(0), Notes = ["say \"so\""] }));
        work();
        capture.End();
        capture.Join();
        file = written!;
        Assert.Empty(ReaderRules.Violations(file.Path));
        return Read(file.Path);
    }

    private static JsonNode[] Events(JsonNode trace, string phase) => [.. trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == phase)!];

    [Theory]
    [InlineData(null, 1, "p-17.5-TP-0-memory.pickle", "p-17.5-TP-0.trace.json.gz")]
    [InlineData("x.trace.json.gz", 1, "x-memory.pickle", "x.trace.json.gz")]
    [InlineData("x.trace.json.gz", 2, "x-TP-0-memory.pickle", "x-TP-0.trace.json.gz")]
    [InlineData("x.json.gz", 2, "x-TP-0-memory.pickle", "x-TP-0.json.gz")]
    public void A_ranks_files_are_named_after_the_window(string? name, int worldSize, string memory, string trace)
    {
        TraceFileInfo info = new() { Options = Options with { FileName = name }, Rank = new RankCoordinates(0, worldSize), WorldSize = worldSize };
        Assert.Equal((memory, trace), (TraceFileNames.Memory(info), info.FileName));
        Assert.Equal("p-17.5-TP-0-memory-DECODE.pickle", TraceFileNames.Memory(new TraceFileInfo { Options = Options, Rank = new(0), Stage = TraceStage.Decode }));
    }

    [Fact]
    public void The_file_has_the_keys_tracks_and_metadata_of_kineto()
    {
        TraceRecorder recorder = new();
        int outer = recorder.Names.Register("scheduler.run_batch", "tokens");
        int module = recorder.Names.Register("model.layers.0.mlp\\x\n");
        JsonNode trace = WriteOne(recorder, () =>
        {
            long start = recorder.Begin();
            recorder.Write(recorder.Begin(), module, TraceKind.Module, TraceStage.Any, 2, 1, 17, 4096, 0, 0);
            recorder.End(start, outer, 129);
            long step = recorder.Begin();
            recorder.Write(step, 0, TraceKind.Step, TraceStage.Any, 0, 0, 9, 3, 40, (int)StepMode.Extend);
            recorder.Write(step, 0, TraceKind.Step, TraceStage.Any, 0, 0, 10, 3, 3, (int)StepMode.Decode);
        }, out TraceFile file);

        Assert.Equal("p-17.5-TP-0.trace.json.gz", Path.GetFileName(file.Path));
        Assert.Equal([file.Path], Directory.GetFiles(_directory));
        Assert.Equal(
            ["schemaVersion", "deviceProperties", "record_shapes", "distributedInfo", "host_name", "trace_id", "sglang", "displayTimeUnit", "baseTimeNanoseconds", "traceEvents", "traceName"],
            trace.AsObject().Select(p => p.Key));
        Assert.Equal(0, (int)trace["distributedInfo"]!["rank"]!);
        Assert.Equal("say \"so\"", (string)trace["sglang"]!["notes"]![0]!);
        Assert.Equal(file.NumEvents, trace["traceEvents"]!.AsArray().Count);

        JsonNode[] spans = [.. Events(trace, "X").Where(e => (string)e["cat"]! != "Trace")];
        Assert.Equal(["model.layers.0.mlp/x", "scheduler.run_batch", "step[EXTEND bs=3 toks=40]", "step[DECODE bs=3]"], spans.Select(e => (string)e["name"]!));
        Assert.Equal(["cpu_op", "user_annotation"], spans.Take(2).Select(e => (string)e["cat"]!));
        Assert.Equal("[[17,4096]]", spans[0]["args"]!["Input Dims"]!.ToJsonString());
        Assert.Equal("[\"c10::BFloat16\"]", spans[0]["args"]!["Input type"]!.ToJsonString());
        Assert.Equal(129, (int)spans[1]["args"]!["tokens"]!);
        Assert.All(spans, e => Assert.Equal(Environment.ProcessId, (int)e["pid"]!));
        Assert.Equal(spans.Length, spans.Select(e => (long)e["args"]!["External id"]!).Distinct().Count());
        // The module lies inside the span around it.
        (double Start, double End) Range(JsonNode e) => ((double)e["ts"]!, (double)e["ts"]! + (double)e["dur"]!);
        Assert.True(Range(spans[0]).Start >= Range(spans[1]).Start - 1e-3 && Range(spans[0]).End <= Range(spans[1]).End + 1e-3);

        string[] allowed = ["process_name", "process_labels", "process_sort_index", "thread_name", "thread_sort_index"];
        Assert.All(Events(trace, "M"), e => Assert.Contains((string)e["name"]!, allowed));
        Assert.Equal("Record Window End", (string)trace["traceEvents"]!.AsArray()[^1]!["name"]!);
    }

    [Fact]
    public void Absolute_times_are_those_of_the_wall_clock()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("n");
        double before = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        JsonNode trace = WriteOne(recorder, () => recorder.End(recorder.Begin(), name), out _);
        double after = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        long origin = (long)trace["baseTimeNanoseconds"]!;
        Assert.Equal(0, origin / 1_000_000_000 % 7889238);
        Assert.InRange(origin / 1e9 + (double)Events(trace, "X")[0]["ts"]! / 1e6, before - 0.01, after + 0.01);
    }

    [Fact]
    public void Losses_are_written_into_the_file()
    {
        TraceRecorder recorder = new(ringCapacity: 16);
        int name = recorder.Names.Register("n");
        JsonNode trace = WriteOne(recorder, () =>
        {
            for (int i = 0; i < 100_000; i++) recorder.End(recorder.Begin(), name);
        }, out _);
        long dropped = (long)trace["sglang"]!["loss"]!["records_dropped_by_rings"]!;
        Assert.True(dropped > 0);
        Assert.Equal(100_000, dropped + Events(trace, "X").Count(e => (string)e["name"]! == "n"));
        Assert.True((double)trace["sglang"]!["overhead"]!["span_cost_ns"]! > 0);
    }

    [Fact]
    public void A_stage_file_has_its_own_steps_and_what_belongs_to_none()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("any");
        int extend = recorder.Names.Register("extend");
        int decode = recorder.Names.Register("decode");
        JsonNode trace = WriteOne(recorder, () =>
        {
            recorder.End(recorder.Begin(), name);
            recorder.End(recorder.Begin(), extend, stage: TraceStage.Extend);
            recorder.End(recorder.Begin(), decode, stage: TraceStage.Decode);
        }, out TraceFile file, new TraceFileInfo { Options = Options, Rank = new(1, 2, 0, 2), Stage = TraceStage.Decode });
        Assert.Equal("p-17.5-TP-1-DP-0-DECODE.trace.json.gz", Path.GetFileName(file.Path));
        Assert.Equal(["any", "decode"], Events(trace, "X").Where(e => (string)e["cat"]! != "Trace").Select(e => (string)e["name"]!));
    }

    [Fact]
    public void Detailed_step_names_carry_the_sums_of_the_specification()
    {
        TraceRecorder recorder = new();
        JsonNode trace = WriteOne(recorder, () =>
        {
            recorder.Write(recorder.Begin(), 64, TraceKind.StepGroup, TraceStage.Any, 1, 0, 64, 100032, 64, 100032);
            recorder.Write(recorder.Begin(), 0, TraceKind.Step, TraceStage.Any, 0, 0, 1, 64, 64, (int)StepMode.Decode);
        }, out _, new TraceFileInfo { Options = Options with { DetailedAnnotations = true }, Rank = new(0) });
        Assert.Equal("step[DECODE bs=64 g_sq=64 g_sqsq=64 g_sqsk=100032 g_sk=100032]", (string)Events(trace, "X")[0]["name"]!);
    }

    [Fact]
    public void A_failed_write_leaves_no_file()
    {
        TraceRecorder recorder = new();
        Exception? error = null;
        TraceCapture capture = new(recorder, _directory, done => error = Record.Exception(() =>
            ChromeTraceWriter.Write(done, new TraceFileInfo { Options = Options with { OutputDirectory = Path.Combine(_directory, "absent") }, Rank = new(0) })));
        capture.End();
        capture.Join();
        Assert.IsType<DirectoryNotFoundException>(error);
        Assert.Empty(Directory.GetFiles(_directory));
    }
}
