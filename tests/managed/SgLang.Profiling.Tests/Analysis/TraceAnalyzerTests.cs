using System.IO.Compression;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Analysis;

public sealed class TraceAnalyzerTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-analysis");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private TraceAnalysis Analyze(TraceText trace) => TraceAnalyzer.Analyze([trace.Save(Path.Combine(_directory, "1-TP-0.trace.json"))]);

    private static TimeRow Row(IReadOnlyList<TimeRow> rows, string name) => rows.Single(row => row.Name == name);

    [Fact]
    public void Idle_time_is_blamed_on_what_the_host_did_meanwhile()
    {
        // After a the host waits for it until 12, works until 14, and calls from 14 to 16; b begins at 18.
        DeviceSummary device = Analyze(new TraceText()
            .Kernel("a", -2, -1, 0, 10)
            .Wait(5, 12)
            .Kernel("b", 14, 16, 18, 19)
            // Called long before it could begin: the two microseconds are the device's own way from one to the next.
            .Kernel("c", 16.5, 17, 21, 22)
            // Its launch is not in the trace.
            .Work("gpu_memcpy", "Memcpy DtoH (Device -> Pinned)", 30, 31, arguments: "\"correlation\":777")).Devices.Single();
        Assert.Equal((31_000, 13_000), (device.Window, device.Busy));
        Assert.Equal((2_000, 4_000 + 2_000, 2_000, 8_000), (device.IdleHost, device.IdleLaunch, device.IdleSynchronisation, device.IdleUnknown));
        Assert.Equal(device.Idle, device.IdleHost + device.IdleLaunch + device.IdleSynchronisation + device.IdleUnknown);
    }

    [Fact]
    public void Other_launches_within_a_gap_count_as_launching()
    {
        DeviceSummary device = Analyze(new TraceText()
            .Kernel("a", -2, -1, 0, 10)
            .Host("cuda_runtime", "cudaMemsetAsync", 9, 13, "\"correlation\":900")
            .Kernel("b", 15, 16, 17, 18)).Devices.Single();
        Assert.Equal((2_000, 3_000 + 2_000, 0), (device.IdleHost, device.IdleLaunch, device.IdleSynchronisation));
    }

    [Fact]
    public void Communication_is_split_into_overlapped_and_exposed()
    {
        DeviceSummary device = Analyze(new TraceText()
            .Kernel("gemm", -9, -8, 0, 10)
            .Kernel("ncclDevKernel_AllReduce_Sum_bf16", -7, -6, 4, 14, stream: 9)
            .Kernel("gemm", -5, -4, 12, 13)
            .Work("gpu_memcpy", "Memcpy HtoD", 13.5, 13.75, stream: 11)).Devices.Single();
        Assert.Equal((14_000, 11_000, 10_000, 250), (device.Busy, device.Compute, device.Communication, device.Memory));
        Assert.Equal((6_000 + 1_000 + 250, 2_750), (device.Overlapped, device.ExposedCommunication));
    }

    [Fact]
    public void Work_belongs_to_the_spans_around_its_launch()
    {
        TraceAnalysis a = Analyze(new TraceText()
            .Step("ProfilerStep#3", 0, 100).Step("step[DECODE bs=2]", 1, 60).Step("step[DECODE bs=2]", 61, 99)
            .Host("user_annotation", "model.layers.0", 2, 30).Host("user_annotation", "model.layers.11", 62, 90)
            .Host("cpu_op", "aten::linear", 3, 20).Host("cpu_op", "aten::mm", 4, 10, """
                "External id":1,"Input Dims":[[4,512],[512,1024]],"Input type":["c10::BFloat16","c10::BFloat16"]
                """)
            .Host("cpu_op", "model.layers.11.mlp.down_proj", 63, 80)
            .Kernel("split", 5, 6, 200, 203).Kernel("sum", 7, 8, 203, 204)
            .Kernel("nvjet", 64, 65, 300, 302)
            .Kernel("lost", 1000, 1001, 1002, 1003));
        Assert.Equal(4_000, Row(a.Modules, "model.layers.*").Time.Total);
        Assert.Equal(2_000, Row(a.Layers, "model.layers.11.mlp.down_proj").Time.Total);
        Assert.Equal(["aten::mm", "model.layers.*.mlp.down_proj", "(unknown)"], a.Operators.Select(row => row.Name));
        Assert.Equal(["aten::mm [4,512],[512,1024]", "model.layers.*.mlp.down_proj", "(unknown)"], a.OperatorShapes.Select(row => row.Name));
        Assert.Equal(6 / 7.0, a.ModuleCoverage, 9);

        // 2 x 4 x 512 x 1024 operations and (4 x 512 + 512 x 1024 + 4 x 1024) x 2 bytes, once for both kernels.
        TimeRow product = Row(a.Operators, "aten::mm");
        Assert.Equal((4_194_304, 1_060_864, 4_000), (product.Flops, product.Bytes, product.BoundedNanoseconds));
        Assert.Equal(1_060_864 / 3.35e12 * 1e9 / 4_000, product.Share!.Value, 6);

        // The outer of the two kinds of steps does not count the work again.
        Assert.Equal(["step[DECODE bs=2]", "step[DECODE bs=2]"], a.Steps.Select(step => step.Name));
        Assert.Equal([(4_000L, 4_000L, 2, 59_000L), (2_000L, 2_000L, 1, 38_000L)], a.Steps.Select(step => (step.DeviceSpan, step.Busy, step.NumWorks, step.Host)));
    }

    [Fact]
    public void Operators_of_other_shapes_are_rows_of_their_own()
    {
        const string Wide = ",\"operator\":\"linear\",\"Input Dims\":[[8,4096]]", Narrow = ",\"operator\":\"linear\",\"Input Dims\":[[8,512]]";
        TraceAnalysis a = Analyze(new TraceText()
            .Work("kernel", "gemm", 0, 10, arguments: "\"correlation\":1" + Wide)
            .Work("kernel", "gemm", 10, 12, arguments: "\"correlation\":1" + Narrow)
            .Work("kernel", "gemm", 12, 22, arguments: "\"correlation\":1" + Wide));
        Assert.Equal([("linear [8,4096]", 20_000.0, 2L), ("linear [8,512]", 2_000, 1)], a.OperatorShapes.Select(row => (row.Name, row.Time.Total, row.Time.Count)));
        Assert.Equal([("linear", 22_000.0)], a.Operators.Select(row => (row.Name, row.Time.Total)));
        // Without a device, of the host's operators.
        a = Analyze(new TraceText().Host("cpu_op", "sgl::linear", 0, 4, "\"Input Dims\":[[3,64]]").Host("cpu_op", "sgl::linear", 5, 6));
        Assert.Equal(["sgl::linear [3,64]", "sgl::linear"], a.OperatorShapes.Select(row => row.Name));
        Assert.Contains("sgl::linear [3,64]", AnalysisText.WriteOperatorShapes(a, top: 5));
        Assert.Contains("Operators by input shape", AnalysisText.WriteOperatorShapes(a, top: 5));
        // A title must not promise what the trace does not tell.
        string without = AnalysisText.WriteOperatorShapes(Analyze(new TraceText().Host("cpu_op", "sgl::linear", 0, 4)), top: 5);
        Assert.Contains("no input shapes were recorded", without);
        Assert.DoesNotContain("by input shape", without);
    }

    [Fact]
    public void A_module_at_the_root_is_known_by_the_operator_within()
    {
        TraceAnalysis a = Analyze(new TraceText().Host("cpu_op", "lm_head", 0, 10).Host("cpu_op", "sgl::linear", 1, 9).Kernel("gemm", 2, 3, 4, 5).Host("cpu_op", "custom_op", 20, 30).Kernel("k", 22, 23, 24, 26));
        Assert.Equal([("(unknown)", 2_000.0), ("lm_head", 1_000)], a.Modules.Select(row => (row.Name, row.Time.Total)));
        Assert.Equal(["custom_op", "sgl::linear"], a.Operators.Select(row => row.Name));
        // Without a device likewise.
        a = Analyze(new TraceText().Host("cpu_op", "lm_head", 0, 10).Host("cpu_op", "sgl::linear", 1, 9).Host("cpu_op", "custom_op", 20, 30));
        Assert.Equal([("(unknown)", 10_000.0), ("lm_head", 10_000)], a.Modules.Select(row => (row.Name, row.Time.Total)).Order());
    }

    [Fact]
    public void Kernels_of_a_graph_belong_to_what_the_trace_says_of_them()
    {
        const string Gate = ",\"module\":\"model.layers.0.mlp.gate_up_proj\",\"operator\":\"linear\"";
        TraceAnalysis a = Analyze(new TraceText()
            .Step("step[DECODE bs=32]", 0, 10)
            .Host("cuda_runtime", "cudaGraphLaunch", 1, 3, "\"correlation\":50")
            .Work("kernel", "gemm", 5, 15, arguments: "\"correlation\":50" + Gate + ",\"flops\":9890000,\"bytes\":3350000")
            .Work("kernel", "reduce", 15, 20, arguments: "\"correlation\":50" + Gate)
            .Work("kernel", "norm", 20, 21, arguments: "\"correlation\":50,\"module\":\"model.norm\",\"operator\":\"rms_norm\""));
        Assert.Equal(1, a.ModuleCoverage);
        TimeRow gate = Row(a.Layers, "model.layers.0.mlp.gate_up_proj");
        // 3.35 MB at 3350 GB/s take 1 us of the 15 that both kernels took.
        Assert.Equal((15_000, 1 / 15.0), (gate.BoundedNanoseconds, gate.Share!.Value), new Near());
        Assert.Null(Row(a.Layers, "model.norm").Share);
        StepRow step = a.Steps.Single();
        Assert.Equal((16_000, 16_000, 3), (step.DeviceSpan, step.Busy, step.NumWorks));
    }

    [Fact]
    public void Without_launches_the_ranges_on_the_device_tell_step_and_module()
    {
        TraceAnalysis a = Analyze(new TraceText()
            .Step("ProfilerStep#1", 0, 10)
            .Work("gpu_user_annotation", "ProfilerStep#1", 19, 41).Work("gpu_user_annotation", "model.norm", 29.999, 40.001)
            .Work("kernel", "a", 20, 30, arguments: "\"correlation\":1").Work("kernel", "b", 30, 40, arguments: "\"correlation\":1"));
        Assert.Equal(10_000, Row(a.Modules, "model.norm").Time.Total);
        Assert.Equal(2, a.Steps.Single().NumWorks);
    }

    [Fact]
    public void A_trace_of_the_host_alone_gives_each_operators_own_time()
    {
        TraceAnalysis a = Analyze(new TraceText { Device = "" }
            .Step("step[EXTEND bs=1 toks=40]", 0, 100)
            .Host("cpu_op", "model.layers.0.mlp", 0, 50).Host("cpu_op", "model.layers.0.mlp.down_proj", 10, 40).Host("cpu_op", "linear", 15, 35));
        Assert.False(a.HasDeviceWork);
        Assert.Equal([("model.layers.*.mlp", 20_000.0), ("model.layers.*.mlp.down_proj", 30_000)], a.Modules.OrderBy(row => row.Time.Total).Select(row => (row.Name, row.Time.Total)));
        Assert.Equal(20_000, Row(a.Operators, "linear").Time.Total);
        Assert.Equal(100_000, a.Steps.Single().Duration);
        Assert.Contains(a.Notes, note => note.Contains("no work of a device", StringComparison.Ordinal));
    }

    [Fact]
    public void Losses_that_a_file_tells_are_passed_on() =>
        Assert.Contains(Analyze(new TraceText { Members = """ "sglang": {"loss": {"records_dropped_by_rings": 3, "records_dropped_by_spool": 0}},""" }.Step("step[DECODE bs=1]", 0, 1)).Notes,
            note => note.Contains("records_dropped_by_rings = 3", StringComparison.Ordinal));

    [Fact]
    public void Files_of_several_ranks_keep_their_numbers_apart()
    {
        string[] paths = [.. Enumerable.Range(0, 3).Select(rank => new TraceText()
            .Step("step[DECODE bs=1]", 0, 10).Host("cpu_op", $"op{rank}", 1, 5, "\"External id\":1").Kernel("k", 2, 3, 4, 5 + rank).Save(Path.Combine(_directory, $"1-TP-{rank}.trace.json")))];
        TraceAnalysis a = TraceAnalyzer.Analyze(paths);
        Assert.Equal(3, a.Devices.Count);
        Assert.Equal([("op0", 1_000.0), ("op1", 2_000), ("op2", 3_000)], a.Operators.Select(row => (row.Name, row.Time.Total)).Order());
        Assert.All(a.Steps, step => Assert.Equal(1, step.NumWorks));
    }

    [Theory]
    [InlineData("torch-eager")]
    [InlineData("torch-eager-stack")]
    [InlineData("torch-graph")]
    public void Traces_of_pytorch_give_the_sums_of_a_plain_count(string name)
    {
        string path = Path.Combine(SharedTraces.Directory, name + ".trace.json.gz");
        Assert.SkipUnless(File.Exists(path), $"{path} is not there");
        JsonNode[] events;
        using (GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress)) events = [.. JsonNode.Parse(gzip)!["traceEvents"]!.AsArray()!];
        JsonNode[] Of(string category) => [.. events.Where(e => (string?)e["cat"] == category)];
        static double Duration(JsonNode e) => (double)(decimal)e["dur"]! * 1000;
        Dictionary<long, string> operators = Of("cpu_op").ToDictionary(e => (long)e["args"]!["External id"]!, e => (string)e["name"]!);
        var wanted = Of("kernel").GroupBy(e => e["args"]!["External id"] is { } id ? operators[(long)id] : "(unknown)").ToDictionary(g => g.Key, g => (g.Count(), g.Sum(Duration)));

        TraceAnalysis a = TraceAnalyzer.Analyze([path]);
        Assert.Equal(events.Length, a.NumEvents);
        Assert.Equal("NVIDIA H100 80GB HBM3", a.DeviceType);
        Assert.Equal(wanted.Count, a.Operators.Count);
        foreach (TimeRow row in a.Operators)
        {
            Assert.Equal(wanted[row.Name].Item1, row.Time.Count);
            Assert.Equal(wanted[row.Name].Item2, row.Time.Total, 0.5);
        }
        DeviceSummary device = a.Devices.Single();
        Assert.Equal(device.Window, device.Busy + device.IdleHost + device.IdleLaunch + device.IdleSynchronisation + device.IdleUnknown);
        Assert.InRange(a.ModuleCoverage, name == "torch-graph" ? 0 : 0.94, name == "torch-graph" ? 0 : 1);
    }

    /// <summary>To six digits.</summary>
    private sealed class Near : IEqualityComparer<(double, double)>
    {
        public bool Equals((double, double) x, (double, double) y) => Math.Abs(x.Item1 - y.Item1) < 1e-6 && Math.Abs(x.Item2 - y.Item2) < 1e-6;
        public int GetHashCode((double, double) value) => 0;
    }
}
