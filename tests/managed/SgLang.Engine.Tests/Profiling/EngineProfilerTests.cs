using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Profiling;

namespace SgLang.Engine.Tests.Profiling;

[Collection(WholeProcessCollection.Name)]
public sealed class EngineProfilerTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-profile");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private ProfileOptions Options(int? steps = null) => new() { OutputDirectory = _directory, Id = "7", NumSteps = steps };

    private static async Task Generate(InferenceEngine engine, int tokens)
    {
        await using Generation generation = engine.Submit(ScriptedEngine.Request(Guid.NewGuid().ToString("N"), maxNewTokens: tokens));
        while (await generation.ReadAsync() is not null)
        {
        }
    }

    private static async Task<ProfileResult> EndOf(EngineProfiler profiler)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(60);
        while (profiler.Status is not { State: ProfileState.Idle, Last: not null })
        {
            Assert.True(DateTime.UtcNow < deadline, "the window did not end");
            await Task.Delay(5);
        }
        return profiler.Status.Last!;
    }

    private static JsonNode[] Spans(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return [.. JsonNode.Parse(gzip)!["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "X")!];
    }

    [Fact]
    public async Task A_window_ends_with_its_last_step_and_leaves_one_file_of_just_those_launches()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) => outcome.Ids(plan).Fill(1));
        await Generate(engine, 3);
        long before = engine.Stats.NumSteps;
        Assert.Null(engine.Profiler.Start(Options(4)));
        await Generate(engine, 4);
        ProfileResult result = await EndOf(engine.Profiler);
        Assert.Equal((before + 1, before + 4, 4L, 0L, null), (result.FirstStep, result.LastStep, result.NumSteps, result.RecordsDropped, result.Error));
        Assert.Equal("7-TP-0.trace.json.gz", Path.GetFileName(Assert.Single(result.Files)));
        JsonNode[] spans = Spans(result.Files[0]);
        Assert.Equal(
            Enumerable.Range(1, 4).Select(i => before + i),
            spans.Where(e => (string)e["name"]! == "scheduler.run_batch").Select(e => (long)e["args"]!["step"]!).Where(step => step <= result.LastStep));
        Assert.Contains(spans, e => (string)e["name"]! == "scheduler.process_batch_result");
        Assert.Equal([result.Files[0]], Directory.GetFiles(_directory));
    }

    [Fact]
    public async Task An_open_window_is_stopped_by_hand_and_may_be_merged()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) => outcome.Ids(plan).Fill(1));
        Assert.Null(engine.Profiler.Stop());
        Assert.Null(engine.Profiler.Start(Options() with { MergeProfiles = true }));
        Assert.Equal(ProfileWindow.AlreadyInProgress, engine.Profiler.Start(Options()));
        await Generate(engine, 5);
        ProfileResult result = await engine.Profiler.Stop()!;
        Assert.Equal(5, result.NumSteps);
        Assert.Equal(["7-TP-0.trace.json.gz", "merged-7.trace.json.gz"], result.Files.Select(Path.GetFileName));
        Assert.Null(engine.Profiler.Start(Options(1) with { StartAfterSteps = 1_000_000 }));
        Assert.True((await engine.Profiler.Stop()!).WasCancelled);
    }

    [Fact]
    public async Task Two_hundred_windows_with_idle_gaps_lose_nothing_and_memory_stays_flat()
    {
        const int NumWindows = 200;
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) => outcome.Ids(plan).Fill(1));
        Random random = new(17);
        long settled = 0;
        for (int i = 0; i < NumWindows; i++)
        {
            if (random.Next(4) == 0) await Task.Delay(random.Next(1, 15));
            string? refused = engine.Profiler.Start(Options(random.Next(1, 4)) with { Id = $"{i}" });
            Assert.Null(refused);
            await Generate(engine, random.Next(1, 5));
            ProfileResult result = engine.Profiler.Stop() is { } ended ? await ended : await EndOf(engine.Profiler);
            Assert.Equal((null, 0L), (result.Error, result.RecordsDropped));
            Assert.Equal($"{i}", result.Id);
            // As many steps in the file as the window says.
            Assert.Equal(result.NumSteps, Spans(result.Files[0]).Count(e => (string)e["name"]! == "scheduler.run_batch" && (long)e["args"]!["step"]! >= result.FirstStep && (long)e["args"]!["step"]! <= result.LastStep));
            // More results than are remembered have come by then.
            if (i == 3 * NumWindows / 4) settled = GC.GetTotalMemory(forceFullCollection: true);
        }
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - settled, long.MinValue, 4 << 20);
        Assert.Equal(NumWindows, Directory.GetFiles(_directory).Length);
    }

    [Fact]
    public async Task An_engine_that_is_disposed_during_a_window_still_writes_it()
    {
        InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) => outcome.Ids(plan).Fill(1));
        engine.Profiler.Start(Options());
        await Generate(engine, 2);
        await engine.DisposeAsync();
        Assert.Single(engine.Profiler.Status.Last!.Files);
    }

    [Fact]
    public void A_directory_that_cannot_be_made_is_refused_at_the_start()
    {
        using EngineProfiler profiler = new();
        string file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "");
        Assert.ThrowsAny<IOException>(() => profiler.Start(Options() with { OutputDirectory = Path.Combine(file, "below") }));
        Assert.Equal(ProfileState.Idle, profiler.Status.State);
    }
}
