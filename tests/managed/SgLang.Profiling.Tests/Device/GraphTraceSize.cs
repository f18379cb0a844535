using System.Diagnostics;

namespace SgLang.Profiling.Tests.Device;

/// <summary>
/// Bytes of a trace file for each kernel, and seconds to write it, of decode steps replayed from a graph as an 8B model's on an H100 are: 32 layers with the
/// kernels, durations and host spans that such a trace has. Run by hand: `--explicit only --filter-class "*GraphTraceSize" --show-live-output on`.
/// </summary>
[Collection(FakeCupti.Tests)]
public sealed class GraphTraceSize(ITestOutputHelper output) : IDisposable
{
    private const int NumLayers = 32;

    // Name, module, operator, nanoseconds, operations, bytes; in the order of a layer.
    private static readonly (string Kernel, string Module, string Operator, int Nanoseconds, long Flops, long Bytes)[] s_layer =
    [
        ("_ZN3sgl4cuda15rms_norm_kernelINS0_10NormConfigILi512EEEEEvNS0_10NormParamsE", "input_layernorm", "sgl::rms_norm", 2800, 1_000_000, 800_000),
        ("nvjet_sm90_tst_64x32_64x16_4x1_v_bz_TNT", "self_attn.qkv_proj", "sgl::linear", 21000, 1_610_612_736, 50_987_008),
        ("_ZN3sgl4cuda18rope_append_kernelI13__nv_bfloat16Li2ELb0EEEvNS0_16RopeAppendParamsE", "self_attn", "sgl::rope_append", 2500, 491_520, 786_688),
        ("_ZN3sgl4cuda13decode_kernelINS0_12DecodeConfigILi128ELi4ELi2EEEEEvNS0_15AttentionParamsE", "self_attn", "sgl::attention", 105_000, 1_106_771_968, 277_217_280),
        ("nvjet_sm90_tst_64x16_64x16_1x2_h_badd_TNT", "self_attn.o_proj", "sgl::linear", 15_000, 1_073_741_824, 34_340_864),
        ("_ZN3sgl4cuda15rms_norm_kernelINS0_10NormConfigILi512EEEEEvNS0_10NormParamsE", "post_attention_layernorm", "sgl::rms_norm", 2900, 1_000_000, 800_000),
        ("nvjet_sm90_tss_128x32_64x10_2x1_v_bz_TNT", "mlp.gate_up_proj", "sgl::linear_silu", 78_000, 7_516_192_768, 236_716_032),
        ("nvjet_sm90_tst_64x32_64x16_2x1_v_bx_splitK_TNT", "mlp.down_proj", "sgl::linear", 42_000, 3_758_096_384, 118_358_016),
    ];

    private readonly string _directory = TestDirectory.Create("sglang-size");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory(Explicit = true)]
    [InlineData(10)]
    [InlineData(100)]
    public void Bytes_of_a_kernel(int numSteps)
    {
        const int Seed = 7;
        Random random = new(Seed);
        using FakeCupti device = new();
        TraceRecorder recorder = new();
        int graph = recorder.Graphs.Add(Map(recorder.Names));
        double seconds = 0;
        TraceFile? written = null;
        int kernels = 0;
        TraceCapture capture = new(recorder, _directory, done =>
        {
            long start = Stopwatch.GetTimestamp();
            written = ChromeTraceWriter.Write(done, new TraceFileInfo
            {
                Options = new ProfileOptions { OutputDirectory = _directory, Id = "1", WithStack = false },
                Rank = new RankCoordinates(0),
                Devices = [DeviceTraceFileTests.H100],
            });
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }, device: device.Trace);
        device.Trace.TurnOn(capture.Window);
        ulong time = FakeCupti.Now();
        uint correlation = 30_000;
        for (int step = 0; step < numSteps; step++)
        {
            Host(recorder, graph, step, ref correlation);
            kernels += Replay(ref time, correlation, random);
            correlation += 30;
        }
        while (FakeCupti.Now() < time) Thread.Sleep(1);
        device.Trace.TurnOff(capture.Window);
        capture.End();
        capture.Join();
        Assert.Equal(0, capture.DroppedActivities);
        output.WriteLine($"{numSteps} steps, {kernels} kernels, {written!.NumEvents} events, seed {Seed}: {(double)written.NumBytes / kernels:0.00} bytes a kernel, written in {seconds:0.00} s");
    }

    private static GraphMap Map(TraceNames names)
    {
        List<GraphOperator> operators = [];
        for (int layer = 0; layer < NumLayers; layer++)
        {
            foreach ((_, string module, string op, _, long flops, long bytes) in s_layer)
                operators.Add(new GraphOperator(names.Register($"model.layers.{layer}.{module}"), names.Register(op), operators.Count, 1, 2, 1, 32, 4096, 0, 0, new OperatorCost(flops, bytes)));
        }
        bool[] isActivity = new bool[operators.Count];
        isActivity.AsSpan().Fill(true);
        return new GraphMap(operators, isActivity);
    }

    /// <summary>What the host leaves of a step.</summary>
    private static void Host(TraceRecorder recorder, int graph, int step, ref uint correlation)
    {
        long start = recorder.Begin();
        foreach (string name in (string[])["scheduler.recv_requests", "scheduler.get_next_batch_to_run", "scheduler.run_batch", "scheduler.wait_for_ranks", "scheduler.process_batch_result", "detokenizer.decode"])
            recorder.End(recorder.Begin(), recorder.Names.Register(name, "step"), step);
        long launch = recorder.Begin();
        FakeCupti.Call(correlation, FakeCupti.GraphLaunch);
        recorder.Write(launch, recorder.Names.Register("graph_launch"), TraceKind.GraphLaunch, TraceStage.Any, 0, 0, graph, 1000 + step, 30_000, 0);
        foreach (string name in (string[])["prepare_inputs", "sampler.sample", "copy_result_to_cpu"]) recorder.End(recorder.Begin(), recorder.Names.Register(name));
        recorder.Write(start, 0, TraceKind.Step, TraceStage.Any, 0, 0, step, 32, 32, (int)StepMode.Decode);
    }

    /// <summary>Device stamps come in steps of 32 ns.</summary>
    private static int Replay(ref ulong time, uint correlation, Random random)
    {
        ulong node = (2UL << 32) + 64;
        for (int layer = 0; layer < NumLayers; layer++)
        {
            foreach ((string kernel, _, _, int nanoseconds, _, _) in s_layer)
            {
                ulong duration = (ulong)(nanoseconds * (0.97 + 0.06 * random.NextDouble())) / 32 * 32;
                FakeCupti.Kernel(kernel, time, time + duration, 13, correlation, node++);
                time += duration + (ulong)random.Next(20, 60) * 32;
            }
        }
        return NumLayers * s_layer.Length;
    }
}
