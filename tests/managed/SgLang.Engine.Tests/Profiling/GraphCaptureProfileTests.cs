using System.IO.Compression;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine.Tests.Profiling;

/// <summary>The profile of capturing graphs, with a recorder that records calls, so that the CPU backend captures.</summary>
public sealed class GraphCaptureProfileTests : IDisposable
{
    private static readonly int[] s_sizes = [1, 2, 5];
    private readonly string _directory = TestDirectory.Create("sglang-capture");
    private readonly Lines _log = new();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Capture(bool keepsTrace, bool keepsSizes)
    {
        EngineOptions options = TestModels.DemoOptions;
        DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        IModel model = ModelLoader.Load(device, options.ModelPath, ModelConfig.Load(options.ModelPath, "{}"), new ModelLoadOptions { DType = ModelDType.Float32, MaxPositions = 256 });
        EngineProfiler profiler = new(_log);
        profiler.AttachMemory(RankPlace.Single, device, model.KvBytesPerToken);
        RankTrace trace = new(profiler, device, model);
        using ModelRunner runner = new(device, model, 20, 16, new StepLimits(256, 8), trace);
        GraphCaptureProfile profile = new(profiler, keepsTrace, keepsSizes, _directory, _directory);
        profile.Begin(trace);
        runner.CaptureGraphs(GraphBatchSizes.For(options with { CudaGraphBatchSizes = s_sizes }, 1L << 40, 8), null, new CallRecorder(), profile);
        profile.End(trace);
        // A window of a user can begin at once.
        Assert.Null(profiler.Start(new SgLang.Profiling.ProfileOptions { OutputDirectory = _directory, Id = "next" }));
        profiler.Dispose();
    }

    private string Traces => Path.Combine(_directory, "graph_capture_profile");

    private static string[] Names(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return [.. JsonNode.Parse(gzip)!["traceEvents"]!.AsArray().Where(e => (string?)e!["ph"] == "X").Select(e => (string)e!["name"]!)];
    }

    [Fact]
    public void The_trace_has_each_size_and_the_log_the_operators_that_took_longest()
    {
        Capture(keepsTrace: true, keepsSizes: true);
        string[] names = Names(Path.Combine(Traces, "cuda_graph_capture-GraphRunner-TP-0.json.gz"));
        Assert.Equal(s_sizes.Select(size => $"capture_{size}_GraphRunner").Order(), names.Where(name => name.StartsWith("capture_", StringComparison.Ordinal)).Order());
        // Every size runs eagerly and is then recorded.
        Assert.Equal(2 * s_sizes.Length, names.Count(name => name == "model"));
        Assert.Single(Directory.GetFiles(Traces));
        Assert.True(File.Exists(Path.Combine(_directory, "cuda_graph_runner_memory_usage.pickle")));
        string table = Assert.Single(_log, line => line.Contains("Operators by input shape, host time", StringComparison.Ordinal));
        Assert.Contains("sgl::linear [5,", table);
        Assert.Contains(_log, line => line.Contains("cuda_graph_capture-GraphRunner-TP-0.json.gz", StringComparison.Ordinal));
    }

    [Fact]
    public void Each_size_has_a_file_without_its_dry_run()
    {
        Capture(keepsTrace: false, keepsSizes: true);
        Assert.Equal(s_sizes.Select(size => $"GraphRunner_bs_{size}_rank0.json.gz"), Directory.GetFiles(Traces, "*.gz").Select(path => Path.GetFileName(path)).Order());
        foreach (int size in s_sizes)
        {
            string[] names = Names(Path.Combine(Traces, $"GraphRunner_bs_{size}_rank0.json.gz"));
            Assert.Equal([$"capture_{size}_GraphRunner"], names.Where(name => name.StartsWith("capture_", StringComparison.Ordinal)));
            Assert.Single(names, "model");
        }
        Assert.Equal(3, Directory.GetFiles(Traces, "*.pickle").Length);
    }

    [Fact]
    public void Without_a_wish_for_traces_only_the_tables_and_the_snapshot_remain()
    {
        Capture(keepsTrace: false, keepsSizes: false);
        Assert.False(Directory.Exists(Traces));
        Assert.True(File.Exists(Path.Combine(_directory, "cuda_graph_runner_memory_usage.pickle")));
        Assert.Single(_log, line => line.Contains("host time", StringComparison.Ordinal));
        Assert.DoesNotContain(_log, line => line.Contains("could not", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, null, null, false)]
    [InlineData(true, null, null, true)]
    [InlineData(false, "true", null, true)]
    [InlineData(false, "0", "1", true)]
    [InlineData(false, "0", "no", false)]
    public void It_is_asked_for_by_a_flag_or_the_environment(bool flag, string? trace, string? sizes, bool isOn)
    {
        EngineOptions options = TestModels.DemoOptions with { EnableProfileCudaGraph = flag };
        using EngineProfiler profiler = new();
        Assert.Equal(isOn, GraphCaptureProfile.For(options, name => name == GraphCaptureProfile.TraceVariable ? trace : name == GraphCaptureProfile.SizesVariable ? sizes : null, profiler) is not null);
    }

    private sealed class Lines : List<string>, ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (this) Add(formatter(state, exception));
        }
    }
}
