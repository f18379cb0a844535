using System.Text.Json;
using SgLang.Bench.Datasets;
using SgLang.Bench.Offline;
using SgLang.Profiling;

namespace SgLang.Bench.Tests.Offline;

/// <summary>bench-offline-throughput end to end on the demo model.</summary>
public class OfflineTests
{
    private static OfflineOptions Options(string file) => new()
    {
        Engine = DemoModel.Options, ResultFile = file,
        Dataset = new DatasetOptions { Name = "random", NumPrompts = 4, RandomInputLength = 17, RandomOutputLength = 5, RandomRangeRatio = 1 },
    };

    [Fact]
    public async Task Every_token_asked_for_is_made_and_counted()
    {
        string file = DemoModel.ResultFile();
        var output = new StringWriter();
        OfflineResult result = await OfflineBenchmark.RunAsync(Options(file), output);
        Assert.Equal((4, 4L * 17, 4L * 5), (result.SuccessfulRequests, result.InputTokens, result.OutputTokens));
        Assert.Contains("======= Offline Throughput Benchmark Result =======".Trim('='), output.ToString());
        Assert.Contains("Total generated tokens:                  20        \n", output.ToString());
        JsonElement line = DemoModel.Lines(file).Single();
        Assert.Equal(["backend", "successful_requests", "total_latency", "total_input_tokens", "total_output_tokens", "request_throughput", "input_throughput", "output_throughput", "total_throughput", "last_gen_throughput"],
            line.EnumerateObject().Take(10).Select(p => p.Name));
        Assert.Equal(20 / line.GetProperty("total_latency").GetDouble(), line.GetProperty("output_throughput").GetDouble(), 6);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3)]
    public async Task The_measured_run_is_recorded_on_request(int? steps)
    {
        string file = DemoModel.ResultFile(), directory = Path.GetDirectoryName(file)!;
        var output = new StringWriter();
        OfflineResult result = await OfflineBenchmark.RunAsync(Options(file) with { Profile = new OfflineProfileOptions(directory, ["CPU", "GPU"], steps) }, output);
        string trace = Assert.Single(Directory.GetFiles(directory, "*.trace.json.gz"));
        Assert.Equal([trace], result.ProfileFiles!);
        Assert.Contains($"New file detected: {Path.GetFileName(trace)}", output.ToString());
        // The warm-up's steps are not in it.
        Assert.Equal(steps ?? result.NumSteps, TraceAnalyzer.Analyze([trace]).Steps.Count);
        Assert.Equal(trace, DemoModel.Lines(file).Single().GetProperty("profile_files")[0].GetString());
    }

    [Fact]
    public async Task Messages_are_for_a_server()
    {
        string path = DemoModel.ResultFile();
        File.WriteAllText(path, """{"messages": [{"role": "user", "content": "hi"}]}""");
        OfflineOptions options = Options("");
        Assert.Contains("--dataset-name openai is made of messages",
            (await Assert.ThrowsAnyAsync<BenchException>(() => OfflineBenchmark.RunAsync(options with { Dataset = options.Dataset with { Name = "openai", Path = path } }, TextWriter.Null))).Message);
    }

    [Fact]
    public async Task Requests_the_engine_refuses_are_failures()
    {
        OfflineOptions options = Options("");
        var output = new StringWriter();
        OfflineResult result = await OfflineBenchmark.RunAsync(options with { SkipWarmup = true, Dataset = options.Dataset with { RandomOutputLength = 4000 } }, output);
        Assert.Equal((0, 4), (result.SuccessfulRequests, result.Failures.Values.Sum()));
        Assert.Contains("4 requests FAILED", output.ToString());
    }
}
