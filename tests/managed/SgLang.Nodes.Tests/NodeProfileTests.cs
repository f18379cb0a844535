using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;
using SgLang.Profiling;

namespace SgLang.Nodes.Tests;

/// <summary>Ranks of other nodes record the same steps, and their files come to node 0.</summary>
public sealed class NodeProfileTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-node-profile-");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static EngineOptions Options(int nodes, int tp, int pp, int dp) => TestModels.DemoOptions with
    {
        NumNodes = nodes, TpSize = tp, PpSize = pp, DpSize = dp, NumThreads = 2, LoadBalanceMethod = LoadBalanceMethod.RoundRobin,
    };

    private static async Task RunAsync(InferenceEngine engine, int count = 4)
    {
        for (int i = 0; i < count; i++)
        {
            await Collected.ReadAsync(engine.Submit(new GenerationRequest
            {
                Rid = $"r{i}", InputIds = [1, 2, 3, i], Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 6, IgnoreEos = true },
            }));
        }
    }

    private static async Task<ProfileResult> StopAsync(InferenceEngine engine) => await engine.Profiler.Stop()!.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private static long[] Steps(JsonNode file) =>
        [.. file["traceEvents"]!.AsArray().Where(e => ((string?)e!["name"])?.StartsWith("step[", StringComparison.Ordinal) == true && (string?)e["cat"] == "user_annotation").Select(e => (long)e!["args"]!["step"]!).Order()];

    [Theory]
    [InlineData(2, 1, 2, 1)]
    [InlineData(2, 2, 2, 1)]
    [InlineData(3, 1, 3, 1)]
    [InlineData(2, 1, 1, 2)]
    public async Task Every_rank_of_every_node_has_a_file_on_node_0_and_a_part_of_the_merged_one(int nodes, int tp, int pp, int dp)
    {
        await using World world = await World.StartAsync(Options(nodes, tp, pp, dp));
        Assert.Null(world.Engine.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = "9", MergeProfiles = true }));
        await RunAsync(world.Engine);
        ProfileResult result = await StopAsync(world.Engine);

        Assert.Null(result.Error);
        string[] labels = [.. world.Engine.Profiler.RankLabels];
        Assert.Equal(tp * pp * dp, labels.Length);
        Assert.Equal([.. labels.Select(label => $"9-{label}.trace.json.gz").Append("merged-9.trace.json.gz").Order()], result.Files.Select(path => Path.GetFileName(path)!).Order());
        Assert.All(result.Files, path => Assert.Equal(_directory, Path.GetDirectoryName(path)));
        Assert.Empty(Directory.GetFiles(_directory, "*.part"));
        for (int rank = 0; rank < labels.Length; rank++)
        {
            JsonNode file = Read(Path.Combine(_directory, $"9-{labels[rank]}.trace.json.gz"));
            Assert.Equal((rank, labels.Length), ((int)file["distributedInfo"]!["rank"]!, (int)file["distributedInfo"]!["world_size"]!));
            long[] steps = Steps(file);
            Assert.NotEmpty(steps);
            // Of one replica every stage has every step.
            if (dp == 1) Assert.Equal(Enumerable.Range((int)result.FirstStep, (int)result.NumSteps).Select(step => (long)step), steps);
        }
        JsonArray merged = Read(Path.Combine(_directory, "merged-9.trace.json.gz"))["merge_report"]!["ranks"]!.AsArray();
        Assert.Equal(labels.Length, merged.Count);
        Assert.All(merged, rank => Assert.NotNull(rank!["clock_error_ns"]));
    }

    [Fact]
    public async Task Windows_of_steps_and_stages_and_cancelled_ones_follow_each_other()
    {
        await using World world = await World.StartAsync(Options(2, 1, 2, 1));
        for (int i = 0; i < 3; i++)
        {
            Assert.Null(world.Engine.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = $"c{i}" }));
            await RunAsync(world.Engine, 1);
            Assert.True((await world.Engine.Profiler.Cancel()!).WasCancelled);
            Assert.Empty(Directory.GetFiles(_directory));

            ProfileOptions options = new() { OutputDirectory = _directory, Id = $"s{i}", NumSteps = 2, Stages = [TraceStage.Extend, TraceStage.Decode] };
            Assert.Null(world.Engine.Profiler.Start(options));
            await RunAsync(world.Engine, 3);
            while (world.Engine.Profiler.Status.State != ProfileState.Idle) await Task.Delay(5, TestContext.Current.CancellationToken);
            ProfileResult result = world.Engine.Profiler.Status.Last!;
            Assert.Null(result.Error);
            Assert.Equal(4, result.Files.Count);
            Assert.All(result.Files, path => Assert.Equal(2, Steps(Read(path)).Length));
            foreach (string path in result.Files) File.Delete(path);
        }
    }

    [Fact]
    public async Task Memory_of_other_nodes_is_told_as_well()
    {
        await using World world = await World.StartAsync(Options(2, 1, 2, 1));
        Assert.Null(world.Engine.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = "m", Activities = ["CPU", "MEM"] }));
        await RunAsync(world.Engine, 1);
        ProfileResult result = await StopAsync(world.Engine);
        Assert.Null(result.Error);
        Assert.Equal(["m-TP-0-PP-0-memory.pickle", "m-TP-0-PP-0.trace.json.gz", "m-TP-0-PP-1-memory.pickle", "m-TP-0-PP-1.trace.json.gz"],
            result.Files.Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_lost_node_is_named_and_the_files_of_the_others_are_kept()
    {
        World world = await World.StartAsync(Options(2, 1, 1, 2));
        try
        {
            Assert.Null(world.Engine.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = "l", MergeProfiles = true }));
            await RunAsync(world.Engine, 2);
            world.StopNode(1);
            await world.Workers[0].WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            ProfileResult result = await StopAsync(world.Engine);
            Assert.Contains("node 1", result.Error, StringComparison.Ordinal);
            Assert.Equal(["l-TP-0-DP-0.trace.json.gz"], result.Files.Select(path => Path.GetFileName(path)!));
        }
        finally
        {
            await world.DisposeAsync();
        }
    }
}
