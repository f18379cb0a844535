using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Interop;
using SgLang.Profiling.Tests.Files;

namespace SgLang.Profiling.Tests.Device;

/// <summary>What becomes of a device's activity in a trace file, against the rules of spec/profiling.md 10 and 11.</summary>
[Collection(FakeCupti.Tests)]
public sealed class DeviceTraceFileTests : IDisposable
{
    internal static readonly DeviceProperties H100 = new()
    {
        Ordinal = 0,
        Name = "NVIDIA H100 80GB HBM3",
        ComputeMajor = 9,
        ComputeMinor = 0,
        NumProcessors = 132,
        TotalMemoryBytes = 80L << 30,
        ThreadsPerBlock = 1024,
        ThreadsPerProcessor = 2048,
        BlocksPerProcessor = 32,
        RegistersPerBlock = 65536,
        RegistersPerProcessor = 65536,
        SharedBytesPerBlock = 48 << 10,
        SharedBytesPerProcessor = 228 << 10,
        ReservedSharedBytesPerBlock = 1024,
        RuntimeVersion = 12040,
        DriverVersion = 12080,
    };

    private readonly string _directory = TestDirectory.Create("sglang-device");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private JsonNode Record(TraceRecorder recorder, FakeCupti device, Action work, TraceStage stage = TraceStage.Any, string[]? activities = null) =>
        Record(recorder, device, _ => work(), stage, activities);

    private JsonNode Record(TraceRecorder recorder, FakeCupti device, Action<TraceCapture> work, TraceStage stage = TraceStage.Any, string[]? activities = null)
    {
        TraceFile? written = null;
        TraceCapture capture = new(recorder, _directory, done => written = ChromeTraceWriter.Write(done, new TraceFileInfo
        {
            Options = new ProfileOptions { OutputDirectory = _directory, Id = "1", Activities = activities ?? ["CPU", "GPU"] },
            Rank = new RankCoordinates(0),
            Stage = stage,
            Devices = [H100],
        }), device: device.Trace);
        device.Trace.TurnOn(capture.Window);
        work(capture);
        device.Trace.TurnOff(capture.Window);
        capture.End();
        capture.Join();
        Assert.Empty(ReaderRules.Violations(written!.Path));
        using GZipStream gzip = new(File.OpenRead(written.Path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private static JsonNode[] Of(JsonNode trace, string category, string phase = "X") =>
        [.. trace["traceEvents"]!.AsArray().Where(e => (string?)e!["cat"] == category && (string)e["ph"]! == phase)!];

    private static (long Start, long End) Range(JsonNode e)
    {
        long start = Nanoseconds(e["ts"]!);
        return (start, start + Nanoseconds(e["dur"]!));
    }

    private static long Nanoseconds(JsonNode microseconds) => (long)Math.Round((decimal)microseconds * 1000);

    [Fact]
    public void Each_ranks_file_has_the_work_that_its_thread_has_launched()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        List<TraceFile> written = [];
        TraceCapture capture = new(recorder, _directory, done =>
        {
            for (int rank = 0; rank < 2; rank++)
            {
                int own = rank;
                written.Add(ChromeTraceWriter.Write(done, new TraceFileInfo
                {
                    Options = new ProfileOptions { OutputDirectory = _directory, Id = "1" },
                    Rank = new RankCoordinates(rank, 2),
                    RankIndex = rank,
                    WorldSize = 2,
                    Includes = thread => thread.Name == $"rank {own}",
                    IsFirstOfProcess = rank == 0,
                    OwnsDevice = ordinal => ordinal == own,
                    Devices = [H100],
                }));
            }
        }, device: device.Trace);
        device.Trace.TurnOn(capture.Window);
        for (int rank = 0; rank < 2; rank++)
        {
            uint correlation = (uint)rank + 7;
            Thread thread = new(() =>
            {
                long start = recorder.Begin();
                FakeCupti.Call(correlation);
                recorder.Write(start, 0, TraceKind.Step, TraceStage.Any, 0, 0, 1, 2, 2, (int)StepMode.Decode);
            }) { Name = $"rank {rank}" };
            thread.Start();
            thread.Join();
        }
        FakeCupti.Call(20);
        ulong now = FakeCupti.Now();
        FakeCupti.Kernel("_Z4zerov", now, now + 10, 7, 7);
        FakeCupti.Kernel("_Z3onev", now + 20, now + 30, 7, 8);
        FakeCupti.Kernel("_Z6othersv", now + 40, now + 50, 7, 20);
        FakeCupti.Kernel("_Z6lonelyv", now + 60, now + 70, 7, 30);
        while (FakeCupti.Now() < now + 100) Thread.Sleep(1);
        device.Trace.TurnOff(capture.Window);
        capture.End();
        capture.Join();

        Assert.Equal(["zero()", "others()", "lonely()"], Kernels(0));
        Assert.Equal(["one()"], Kernels(1));

        string[] Kernels(int rank)
        {
            Assert.Empty(ReaderRules.Violations(written[rank].Path));
            using GZipStream gzip = new(File.OpenRead(written[rank].Path), CompressionMode.Decompress);
            return [.. Of(JsonNode.Parse(gzip)!, "kernel").OrderBy(kernel => (double)kernel["ts"]!).Select(kernel => (string)kernel["name"]!)];
        }
    }

    [Fact]
    public void A_kernel_has_its_operator_its_arrow_and_its_arguments()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int module = recorder.Names.Register("model.layers.0.mlp"), op = recorder.Names.Register("sgl::linear");
        JsonNode trace = Record(recorder, device, () =>
        {
            long step = recorder.Begin();
            long inModule = recorder.Begin();
            long inOp = recorder.Begin();
            FakeCupti.Call(7);
            recorder.Write(inOp, op, TraceKind.OperatorCost, TraceStage.Any, 0, 0, 1000, 2000, 0, 0);
            recorder.Write(inOp, op, TraceKind.Operator, TraceStage.Any, 2, 1, 4, 8, 0, 0);
            recorder.Write(inModule, module, TraceKind.Module, TraceStage.Any, 2, 1, 4, 8, 0, 0);
            FakeCupti.Call(8, callback: 41);
            recorder.Write(step, 0, TraceKind.Step, TraceStage.Any, 0, 0, 1, 2, 2, (int)StepMode.Decode);
            ulong now = FakeCupti.Now();
            FakeCupti.Kernel("_Z4gemmi", now, now + 1000, 7, 7);
            FakeCupti.Copy(now + 1500, now + 1600, 7, 8, 4096);
            FakeCupti.Sync(3, now, now + 2000, 7, 8);
        });

        JsonNode operation = Of(trace, "cpu_op").Single(e => (string)e["name"]! == "sgl::linear");
        Assert.Equal((1000, 2000), ((int)operation["args"]!["flops"]!, (int)operation["args"]!["bytes"]!));
        JsonNode kernel = Of(trace, "kernel").Single(), call = Of(trace, "cuda_runtime").Single(e => (int)e["args"]!["correlation"]! == 7);
        Assert.Equal("gemm(int)", (string)kernel["name"]!);
        Assert.Equal("cudaLaunchKernel", (string)call["name"]!);
        Assert.Equal((long)operation["args"]!["External id"]!, (long)call["args"]!["External id"]!);
        Assert.Equal((long)operation["args"]!["External id"]!, (long)kernel["args"]!["External id"]!);
        Assert.Equal(
            ["External id", "queued", "device", "context", "stream", "correlation", "registers per thread", "shared memory", "blocks per SM", "warps per SM", "grid", "block", "est. achieved occupancy %"],
            kernel["args"]!.AsObject().Select(p => p.Key));
        Assert.Equal((1, 8, 13, 3072), ((int)kernel["args"]!["blocks per SM"]!, (int)kernel["args"]!["warps per SM"]!, (int)kernel["args"]!["est. achieved occupancy %"]!, (int)kernel["args"]!["shared memory"]!));

        // TraceLens finds a kernel through the arrow that ends where the kernel begins.
        JsonNode start = Of(trace, "ac2g", "s").Single(e => (int)e["id"]! == 7), end = Of(trace, "ac2g", "f").Single(e => (int)e["id"]! == 7);
        Assert.Equal(($"{call["pid"]}", $"{call["tid"]}", $"{call["ts"]}"), ($"{start["pid"]}", $"{start["tid"]}", $"{start["ts"]}"));
        Assert.Equal(($"{kernel["pid"]}", $"{kernel["tid"]}", $"{kernel["ts"]}", "e"), ($"{end["pid"]}", $"{end["tid"]}", $"{end["ts"]}", (string)end["bp"]!));

        JsonNode copy = Of(trace, "gpu_memcpy").Single();
        Assert.Equal(("Memcpy HtoD (Pinned -> Device)", 4096, 40.96), ((string)copy["name"]!, (int)copy["args"]!["bytes"]!, (double)copy["args"]!["memory bandwidth (GB/s)"]!));
        JsonNode wait = Of(trace, "cuda_sync").Single();
        Assert.Equal(("Stream Sync", 1_000_007), ((string)wait["name"]!, (int)wait["tid"]!));

        // The step's twin encloses both.
        JsonNode twin = Of(trace, "gpu_user_annotation").Single();
        Assert.Equal("step[DECODE bs=2]", (string)twin["name"]!);
        Assert.Equal((Range(kernel).Start - 1, Range(copy).End + 1), Range(twin));
        Assert.Equal((0, 7), ((int)twin["pid"]!, (int)twin["tid"]!));

        Assert.Equal(22, (int)trace["cupti_version"]!);
        Assert.Equal(132, (int)trace["deviceProperties"]![0]!["numSms"]!);
        Assert.Equal((0, 0, 0), ((int)trace["sglang"]!["loss"]!["device_records_dropped"]!, (int)trace["sglang"]!["loss"]!["launches_without_kernels"]!, (int)trace["sglang"]!["loss"]!["kernels_without_launches"]!));
        string[] allowed = ["process_name", "process_labels", "process_sort_index", "thread_name", "thread_sort_index"];
        Assert.All(trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "M"), e => Assert.Contains((string)e!["name"]!, allowed));
    }

    [Fact]
    public void Spans_whose_kernels_touch_those_of_their_neighbours_keep_to_their_own()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int first = recorder.Names.Register("first"), second = recorder.Names.Register("second");
        JsonNode trace = Record(recorder, device, () =>
        {
            ulong now = FakeCupti.Now();
            for (uint i = 1; i <= 2; i++)
            {
                long start = recorder.Begin();
                FakeCupti.Call(i);
                recorder.End(start, i == 1 ? first : second);
                FakeCupti.Kernel("k", now + 100 * i, now + 100 * (i + 1), 7, i);
            }
        });
        JsonNode[] twins = [.. Of(trace, "gpu_user_annotation").OrderBy(e => (double)e["ts"]!)];
        JsonNode[] kernels = [.. Of(trace, "kernel").OrderBy(e => (double)e["ts"]!)];
        Assert.Equal(["first", "second"], twins.Select(e => (string)e["name"]!));
        // Record has checked that everything nests; each still encloses its kernel.
        for (int i = 0; i < 2; i++) Assert.True(Range(twins[i]).Start <= Range(kernels[i]).Start && Range(twins[i]).End >= Range(kernels[i]).End);
    }

    [Fact]
    public void Kernels_that_overlap_on_a_stream_are_drawn_on_lanes()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int seed = Random.Shared.Next();
        Random random = new(seed);
        const int Count = 500;
        JsonNode trace = Record(recorder, device, () =>
        {
            ulong time = FakeCupti.Now();
            for (uint i = 1; i <= Count; i++)
            {
                FakeCupti.Call(i);
                time += (ulong)random.Next(0, 100);
                FakeCupti.Kernel("k", time, time + (ulong)random.Next(1, 150), (uint)random.Next(7, 9), i);
            }
        });
        JsonNode[] kernels = Of(trace, "kernel");
        Assert.Equal(Count, kernels.Length);
        Assert.True(kernels.Select(e => (int)e["tid"]!).Distinct().Count() > 2, $"seed {seed}");
        Assert.All(kernels, e => Assert.InRange((int)e["args"]!["stream"]!, 7, 8));
        Assert.Contains(trace["traceEvents"]!.AsArray(), e => (string?)e!["args"]?["name"]?.ToString() == "stream 7 (overlap 1)");
    }

    [Fact]
    public void Kernels_of_a_replayed_graph_have_the_layer_that_was_captured()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int attention = recorder.Names.Register("model.layers.3.self_attn"), mlp = recorder.Names.Register("model.layers.3.mlp");
        int attend = recorder.Names.Register("sgl::attention"), linear = recorder.Names.Register("sgl::linear"), launch = recorder.Names.Register("graph_launch");
        // Node 1 is one that CUPTI does not see.
        int graph = recorder.Graphs.Add(new GraphMap(
            [new GraphOperator(attention, attend, 0, 3, 3, 1, 4, 8, 64, 0, new OperatorCost(0, 10, 4, 2)), new GraphOperator(mlp, linear, 3, 1, 2, 1, 4, 512, 0, 0, new OperatorCost(100, 200))],
            [true, false, true, true, true]));
        JsonNode trace = Record(recorder, device, () =>
        {
            for (uint replay = 1; replay <= 2; replay++)
            {
                long start = recorder.Begin();
                FakeCupti.Call(replay, FakeCupti.GraphLaunch);
                recorder.Write(start, launch, TraceKind.GraphLaunch, TraceStage.Any, 0, 0, graph, 1000 * replay, 50, 0);
                ulong now = FakeCupti.Now();
                // CUPTI's order in its buffers is not that of the nodes.
                FakeCupti.Kernel("norm", now + 40, now + 50, 7, replay, 104);
                FakeCupti.Kernel("merge", now + 20, now + 25, 7, replay, 102);
                FakeCupti.Kernel("split", now + 10, now + 20, 7, replay, 100);
                FakeCupti.Kernel("gemm", now + 30, now + 40, 7, replay, 103);
            }
            // A graph that nobody knows.
            FakeCupti.Call(9, FakeCupti.GraphLaunch);
            FakeCupti.Kernel("strange", FakeCupti.Now(), FakeCupti.Now() + 5, 7, 9, 500);
        });
        JsonNode Kernel(string name, int replay) => Of(trace, "kernel").Single(e => (string)e["name"]! == name && (int)e["args"]!["correlation"]! == replay);
        Assert.Equal("model.layers.3.self_attn", (string)Kernel("split", 2)["args"]!["module"]!);
        Assert.Equal("model.layers.3.self_attn", (string)Kernel("merge", 2)["args"]!["module"]!);
        Assert.Equal("model.layers.3.mlp", (string)Kernel("gemm", 1)["args"]!["module"]!);
        Assert.Null(Kernel("norm", 1)["args"]!["module"]);
        // Cost follows the batch of each replay and stands at the operator's first kernel alone.
        Assert.Equal((8000, 110), ((int)Kernel("split", 2)["args"]!["flops"]!, (int)Kernel("split", 2)["args"]!["bytes"]!));
        Assert.Equal((4000, 110), ((int)Kernel("split", 1)["args"]!["flops"]!, (int)Kernel("split", 1)["args"]!["bytes"]!));
        Assert.Null(Kernel("merge", 2)["args"]!["flops"]);
        Assert.Equal(100, (int)Kernel("gemm", 2)["args"]!["flops"]!);
        Assert.Equal("[[4,8,64]]", Kernel("split", 1)["args"]!["Input Dims"]!.ToJsonString());
        Assert.Equal(1, (int)trace["sglang"]!["loss"]!["kernels_of_unknown_graph_nodes"]!);
        // All of a replay share its correlation; its arrow ends at the first.
        Assert.Equal(4, Of(trace, "kernel").Count(e => (int)e["args"]!["correlation"]! == 1));
        JsonNode arrow = Assert.Single(Of(trace, "ac2g", "f"), e => (int)e["id"]! == 1);
        Assert.Equal(Nanoseconds(Kernel("split", 1)["ts"]!), Nanoseconds(arrow["ts"]!));
    }

    [Fact]
    public void What_is_missing_is_counted_in_the_file()
    {
        using FakeCupti device = new(bufferBytes: 4096, maxBytes: 8192);
        TraceRecorder recorder = new();
        JsonNode trace = Record(recorder, device, () =>
        {
            for (uint i = 1; i <= 300; i++) FakeCupti.Call(i);
            for (uint i = 1; i <= 300; i++) FakeCupti.Kernel("k", FakeCupti.Now(), FakeCupti.Now(), 7, i);
        });
        JsonNode loss = trace["sglang"]!["loss"]!;
        int kernels = Of(trace, "kernel").Length, calls = Of(trace, "cuda_runtime").Length;
        Assert.True((int)loss["device_records_dropped"]! > 0);
        Assert.Equal(600, kernels + calls + (int)loss["device_records_dropped"]!);
        Assert.Equal(calls - (kernels - (int)loss["kernels_without_launches"]!), (int)loss["launches_without_kernels"]!);
    }

    [Fact]
    public void What_the_device_does_after_the_last_step_is_not_in_the_file()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        TraceCapture? capture = null;
        JsonNode trace = Record(recorder, device, started =>
        {
            capture = started;
            FakeCupti.Call(1);
            FakeCupti.Kernel("last", FakeCupti.Now(), FakeCupti.Now(), 7, 1);
            device.Trace.TurnOff(started.Window);
            FakeCupti.Call(2);
            FakeCupti.Kernel("next", FakeCupti.Now(), FakeCupti.Now(), 7, 2);
        });
        Assert.Equal("last", (string)Assert.Single(Of(trace, "kernel"))["name"]!);
        Assert.Equal(1, (int)Assert.Single(Of(trace, "cuda_runtime"))["args"]!["correlation"]!);
        Assert.All(trace["sglang"]!["loss"]!.AsObject(), count => Assert.Equal(0, (int)count.Value!));
        Assert.True(capture!.DeviceEndTicks < capture.EndTicks);
    }

    [Fact]
    public void Leaving_a_window_hands_over_no_records_and_one_that_is_over_begins_no_more()
    {
        using FakeCupti device = new();
        SglActivity[] records = new SglActivity[4];
        const long Window = 5;
        device.Trace.TurnOn(Window);
        FakeCupti.Call(1);
        Assert.True(device.Trace.IsUsed(Window));
        device.Trace.TurnOff(Window);
        Assert.False(device.Trace.IsUsed(Window));
        Assert.Equal(0, device.Trace.Read(records));
        device.Trace.ForceOff(Window);
        Assert.Equal(1, device.Trace.Read(records));
        // A rank that was late.
        device.Trace.TurnOn(Window);
        Assert.False(device.Trace.IsUsed(Window));
        FakeCupti.Call(2);
        device.Trace.TurnOff(Window);
        device.Trace.ForceOff(Window);
        Assert.Equal(0, device.Trace.Read(records));
        device.Trace.TurnOn(Window + 1);
        FakeCupti.Call(3);
        device.Trace.ForceOff(Window + 1);
        Assert.Equal(1, device.Trace.Read(records));
    }

    /// <summary>The shape of an 8B model's decode steps: 32 layers of eight kernels each, with times as irregular as a device's.</summary>
    [Fact]
    public void A_graphs_kernel_takes_few_bytes_of_the_file()
    {
        using FakeCupti device = new(maxBytes: 64 << 20);
        TraceRecorder recorder = new();
        int seed = Random.Shared.Next();
        Random random = new(seed);
        const int Layers = 32, Steps = 10;
        (string Module, string Operator, string Kernel, long Wide)[] parts =
        [
            ("input_layernorm", "sgl::rms_norm", "void sgl::cuda::rms_norm_kernel<sgl::cuda::NormConfig<__nv_bfloat16, 8, 8, 1>, false>(sgl::cuda::NormParams)", 4096),
            ("self_attn.qkv_proj", "sgl::linear", "nvjet_sm90_tst_64x32_64x16_2x1_v_bz_TNT", 4096),
            ("self_attn", "sgl::rope_append", "void sgl::cuda::rope_append_kernel<__nv_bfloat16, 2, false>(sgl::cuda::RopeAppendParams)", 4096),
            ("self_attn", "sgl::attention", "void sgl::cuda::decode_attention_kernel<__nv_bfloat16, 128, 4>(sgl::cuda::DecodeParams)", 4096),
            ("self_attn.o_proj", "sgl::linear", "nvjet_sm90_tst_64x16_64x16_1x2_h_badd_TNT", 4096),
            ("post_attention_layernorm", "sgl::rms_norm", "void sgl::cuda::rms_norm_kernel<sgl::cuda::NormConfig<__nv_bfloat16, 8, 8, 1>, true>(sgl::cuda::NormParams)", 4096),
            ("mlp.gate_up_proj", "sgl::linear", "nvjet_sm90_tss_128x32_64x10_2x1_v_bz_TNT", 4096),
            ("mlp.down_proj", "sgl::linear", "nvjet_sm90_tst_64x32_64x16_2x1_v_bx_splitK_TNT", 14336),
        ];
        List<GraphOperator> operators = [];
        for (int layer = 0; layer < Layers; layer++)
        {
            foreach ((string module, string op, _, long wide) in parts)
                operators.Add(new GraphOperator(recorder.Names.Register($"model.layers.{layer}.{module}"), recorder.Names.Register(op), operators.Count, 1, 2, 1, 32, wide, 0, 0, new OperatorCost(wide << 18, wide << 13)));
        }
        int launch = recorder.Names.Register("graph_launch");
        int graph = recorder.Graphs.Add(new GraphMap([.. operators], [.. operators.Select(_ => true)]));
        Record(recorder, device, _ =>
        {
            ulong time = FakeCupti.Now();
            for (uint step = 1; step <= Steps; step++)
            {
                long start = recorder.Begin();
                FakeCupti.Call(30_000 + (17 * step), FakeCupti.GraphLaunch);
                recorder.Write(start, launch, TraceKind.GraphLaunch, TraceStage.Any, 0, 0, graph, 0, 0, 0);
                for (int node = 0; node < operators.Count; node++)
                {
                    ulong length = (ulong)(32 * random.Next(80, 100) * (node % parts.Length == 6 ? 30 : 1));
                    FakeCupti.Kernel(parts[node % parts.Length].Kernel, time, time + length, 7, 30_000 + (17 * step), (2UL << 32) + (ulong)node);
                    time += length + (ulong)random.Next(300, 900);
                }
            }
        });
        double bytes = (double)new FileInfo(Directory.GetFiles(_directory, "*.json.gz").Single()).Length / (Layers * parts.Length * Steps);
        TestContext.Current.TestOutputHelper!.WriteLine($"{bytes:0.00} bytes a kernel");
        Assert.True(bytes < 16, $"{bytes:0.00} bytes a kernel, seed {seed}");
    }

    [Fact]
    public void A_stage_has_the_kernels_of_its_own_steps()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        void Step(uint correlation, TraceStage stage, StepMode mode)
        {
            long step = recorder.Begin();
            FakeCupti.Call(correlation);
            recorder.Write(step, 0, TraceKind.Step, stage, 0, 0, correlation, 1, 1, (int)mode);
            FakeCupti.Kernel($"k{correlation}", FakeCupti.Now(), FakeCupti.Now() + 1, 7, correlation);
        }
        JsonNode trace = Record(recorder, device, () =>
        {
            Step(1, TraceStage.Extend, StepMode.Extend);
            Step(2, TraceStage.Decode, StepMode.Decode);
            FakeCupti.Call(3);
            FakeCupti.Kernel("k3", FakeCupti.Now(), FakeCupti.Now() + 1, 7, 3);
        }, TraceStage.Decode);
        Assert.Equal("k2", (string)Of(trace, "kernel").Single()["name"]!);
        Assert.Single(Of(trace, "cuda_runtime"));
    }

    [Fact]
    public void Device_activity_alone_keeps_the_steps()
    {
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int module = recorder.Names.Register("m");
        JsonNode trace = Record(recorder, device, () =>
        {
            long step = recorder.Begin();
            FakeCupti.Call(1);
            recorder.Write(step, module, TraceKind.Module, TraceStage.Any, 0, 0, 0, 0, 0, 0);
            recorder.Write(step, 0, TraceKind.Step, TraceStage.Any, 0, 0, 1, 1, 1, (int)StepMode.Decode);
            FakeCupti.Kernel("k", FakeCupti.Now(), FakeCupti.Now() + 1, 7, 1);
        }, activities: ["GPU"]);
        Assert.Empty(Of(trace, "cpu_op"));
        Assert.Single(Of(trace, "user_annotation"));
        Assert.Single(Of(trace, "gpu_user_annotation"));
        Assert.Single(Of(trace, "kernel"));
    }
}
