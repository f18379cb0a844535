using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Core;

namespace SgLang.Engine.Tests.Profiling;

public sealed class FlightDumperTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-flight");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private EngineOptions Options(FlightRecorderOptions flight) =>
        new() { ModelPath = "scripted", PageSize = 16, FlightRecorder = flight with { Directory = _directory } };

    private static async Task Generate(InferenceEngine engine, int tokens)
    {
        await using Generation generation = engine.Submit(ScriptedEngine.Request(Guid.NewGuid().ToString("N"), maxNewTokens: tokens));
        while (await generation.ReadAsync() is not null)
        {
        }
    }

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private async Task<JsonNode> OnlyDumpAsync(InferenceEngine engine)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(60);
        while (engine.Profiler.Results.Count == 0)
        {
            Assert.True(DateTime.UtcNow < deadline, "nothing was dumped");
            await Task.Delay(10);
        }
        return Read(Assert.Single(Directory.GetFiles(_directory, "*.trace.json.gz")));
    }

    [Fact]
    public async Task A_dump_has_the_phases_of_the_latest_steps_though_no_window_was_open()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) => outcome.Ids(plan).Fill(1), Options(new()));
        await Generate(engine, 20);
        FlightDump dump = engine.Profiler.Flight.Dump("for a test");
        JsonNode trace = Read(Assert.Single(dump.Files));
        JsonNode[] spans = [.. trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "X")!];
        foreach (string name in (string[])["scheduler.get_next_batch_to_run", "scheduler.run_batch", "scheduler.wait_for_ranks", "scheduler.process_batch_result"])
            Assert.Equal(Enumerable.Range(1, 20).Select(i => (long)i), spans.Where(e => (string)e["name"]! == name).Select(e => (long)e["args"]!["step"]!));
        Assert.Contains("for a test", (string)trace["sglang"]!["notes"]![0]!);
        // A window's client asks for the last window, which a dump is not.
        Assert.Null(engine.Profiler.Status.Last);
        Assert.Equal(dump.Id, Assert.Single(engine.Profiler.Results).Id);
    }

    [Fact]
    public async Task A_decode_step_of_many_times_the_median_is_dumped_once()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) =>
        {
            outcome.Ids(plan).Fill(1);
            Thread.Sleep(plan.StepId is 100 or 120 ? 1500 : 1);
        }, Options(new() { SlowStepRatio = 100 }));
        await Generate(engine, 150);
        JsonNode trace = await OnlyDumpAsync(engine);
        Assert.Matches("step (100|101) took [0-9]{4,}[.0-9]* ms, [0-9.]+ times the median", (string)trace["sglang"]!["notes"]![0]!);
        Assert.Single(engine.Profiler.Results);
    }

    [Fact]
    public async Task A_first_token_later_than_its_limit_is_dumped()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            outcome.Ids(plan).Fill(1);
            if (plan.StepId == 5) Thread.Sleep(400);
        }, Options(new() { TtftLimitSeconds = 0.3 }));
        await Generate(engine, 4);
        await Generate(engine, 4);
        Assert.Contains("a first token came", (string)(await OnlyDumpAsync(engine))["sglang"]!["notes"]![0]!);
    }

    [Fact]
    public async Task A_step_that_hangs_is_dumped_with_those_before_it()
    {
        using ManualResetEventSlim release = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            outcome.Ids(plan).Fill(1);
            if (plan.StepId == 9) release.Wait();
        }, Options(new()) with { SoftWatchdogTimeoutSeconds = 0.2 });
        Task generating = Generate(engine, 20);
        JsonNode trace = await OnlyDumpAsync(engine);
        release.Set();
        await generating;
        Assert.Contains("no step has ended", (string)trace["sglang"]!["notes"]![0]!);
        JsonNode[] waits = [.. trace["traceEvents"]!.AsArray().Where(e => (string?)e!["name"] == "scheduler.wait_for_ranks")!];
        Assert.Equal(8, (long)waits[^1]["args"]!["step"]!);
    }

    [Fact]
    public async Task Switched_off_it_keeps_nothing_and_dumps_nothing()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) =>
        {
            outcome.Ids(plan).Fill(1);
            Thread.Sleep(2);
        }, Options(new() { Seconds = 0, TtftLimitSeconds = 0.001 }));
        await Generate(engine, 4);
        Assert.False(engine.Profiler.Flight.IsOn);
        Assert.Empty(engine.Profiler.Results);
        Assert.Empty(Directory.GetFiles(_directory));
    }
}
