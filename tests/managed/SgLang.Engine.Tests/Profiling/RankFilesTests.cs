using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine.Tests.Profiling;

/// <summary>Each rank writes a file with its place in the name, its own spans, its communication and its groups.</summary>
public sealed class RankFilesTests
{
    private static async Task<(string Name, JsonNode Json)[]> ProfileAsync(EngineOptions options, bool merge = false)
    {
        string directory = TestDirectory.Create("sglang-ranks-");
        try
        {
            await using InferenceEngine engine = InferenceEngine.Start(options);
            Assert.Null(engine.Profiler.Start(new ProfileOptions { OutputDirectory = directory, Id = "7", MergeProfiles = merge }));
            for (int i = 0; i < 4; i++)
            {
                await Collected.ReadAsync(engine.Submit(new GenerationRequest
                {
                    Rid = $"r{i}", InputIds = [1, 2, 3, i], Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 3, IgnoreEos = true },
                    DpRank = i % options.DpSize,
                }));
            }
            ProfileResult result = await engine.Profiler.Stop()!.WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Null(result.Error);
            return [.. result.Files.Select(path => (Path.GetFileName(path), Read(path)))];
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private static JsonNode[] Events(JsonNode file, string prefix) =>
        [.. file["traceEvents"]!.AsArray().Where(e => ((string?)e!["name"])?.StartsWith(prefix, StringComparison.Ordinal) == true).Select(e => e!)];

    [Fact]
    public async Task Every_rank_of_every_replica_has_a_file()
    {
        (string Name, JsonNode Json)[] files = await ProfileAsync(TestModels.DemoOptions with { TpSize = 2, DpSize = 2 });
        Assert.Equal(["7-TP-0-DP-0.trace.json.gz", "7-TP-1-DP-0.trace.json.gz", "7-TP-0-DP-1.trace.json.gz", "7-TP-1-DP-1.trace.json.gz"], files.Select(file => file.Name));
        for (int rank = 0; rank < files.Length; rank++)
        {
            JsonNode json = files[rank].Json, distributed = json["distributedInfo"]!;
            Assert.Equal((rank, 4, "shared memory"), ((int)distributed["rank"]!, (int)distributed["world_size"]!, (string)distributed["backend"]!));
            Assert.Equal("tp", (string?)distributed["pg_config"]![0]!["pg_desc"]);
            Assert.Equal([rank / 2 * 2, rank / 2 * 2 + 1], distributed["pg_config"]![0]!["ranks"]!.AsArray().Select(r => (int)r!));
            Assert.NotEmpty(Events(json, "step["));
            JsonNode[] reductions = Events(json, "comm::all_reduce tp");
            Assert.NotEmpty(reductions);
            Assert.All(reductions, e => Assert.Equal(2, (int)e["args"]!["ranks"]!));
            Assert.All(reductions, e => Assert.True((long)e["args"]!["bytes"]! > 0));
            // The scheduler's spans are with the first rank of its replica.
            Assert.Equal(rank % 2 == 0, Events(json, "scheduler.run_batch").Length > 0);
        }
    }

    [Fact]
    public async Task Stages_record_what_they_send_and_a_merge_has_all_ranks()
    {
        (string Name, JsonNode Json)[] files = await ProfileAsync(TestModels.DemoOptions with { PpSize = 2 }, merge: true);
        Assert.Equal(["7-TP-0-PP-0.trace.json.gz", "7-TP-0-PP-1.trace.json.gz", "merged-7.trace.json.gz"], files.Select(file => file.Name));
        Assert.NotEmpty(Events(files[0].Json, "comm::send pp"));
        Assert.NotEmpty(Events(files[1].Json, "comm::receive pp"));
        Assert.NotEmpty(Events(files[2].Json, "comm::send pp"));
        Assert.NotEmpty(Events(files[2].Json, "comm::receive pp"));
    }

    [Fact]
    public async Task A_window_of_steps_over_several_replicas_ends()
    {
        string directory = TestDirectory.Create("sglang-ranks-");
        await using InferenceEngine engine = InferenceEngine.Start(TestModels.DemoOptions with { DpSize = 2, NumThreads = 2 });
        for (int round = 0; round < 3; round++)
        {
            Assert.Null(engine.Profiler.Start(new ProfileOptions { OutputDirectory = directory, Id = $"{round}", NumSteps = 5 }));
            await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Collected.ReadAsync(engine.Submit(new GenerationRequest
            {
                Rid = $"r{i}", InputIds = [1, 2, i], Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 20, IgnoreEos = true }, DpRank = i % 2,
            }))));
            for (int wait = 0; engine.Profiler.Status.State != ProfileState.Idle; wait++)
            {
                Assert.True(wait < 600, "the window did not end");
                await Task.Delay(50);
            }
            Assert.Equal(5, engine.Profiler.Results[^1].NumSteps);
        }
        Directory.Delete(directory, recursive: true);
    }
}
