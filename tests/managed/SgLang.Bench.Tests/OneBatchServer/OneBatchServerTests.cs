using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SgLang.Bench.OneBatchServer;
using SgLang.Bench.Profiling;
using SgLang.Bench.Tests.Serving;

namespace SgLang.Bench.Tests.OneBatchServer;

/// <summary>The whole tool against a scripted server.</summary>
public class OneBatchServerTests
{
    private const string Info =
        """{"tokenizer_path": "MODEL", "device": "mock", "internal_states": [{"dp_size": 1, "effective_max_running_requests_per_dp": 4, "last_gen_throughput": 12.5, "memory_usage": {"token_capacity": 200}}]}""";

    private static string Row(int index, int tokens, string finish = "null") =>
        $$$"""{"text": "x", "index": {{{index}}}, "meta_info": {"finish_reason": {{{finish}}}, "prompt_tokens": 10, "completion_tokens": {{{tokens}}}, "cached_tokens": 5}}""";

    /// <summary>Answers each row with two events; the second row's first has two tokens, as a speculating server's may.</summary>
    private static async Task Batch(HttpContext context, MockServer server)
    {
        JsonElement body = JsonDocument.Parse(server.Requests.Last(r => r.Path == "/generate").Body).RootElement;
        int rows = body.GetProperty("input_ids").GetArrayLength(), tokens = body.GetProperty("sampling_params").GetProperty("max_new_tokens").GetInt32();
        if (!body.GetProperty("stream").GetBoolean())
        {
            await context.Response.WriteAsync("[]");
            return;
        }
        for (int i = 0; i < rows; i++) await MockServer.SayAsync(context, Row(i, Math.Min(tokens, 1 + (i % 2))));
        for (int i = 0; i < rows; i++) await MockServer.SayAsync(context, Row(i, tokens, """{"type": "length"}"""));
        await MockServer.SayAsync(context, "[DONE]");
    }

    private static async Task<MockServer> StartAsync(Func<HttpContext, MockServer, Task>? answer = null)
    {
        MockServer server = null!;
        server = await MockServer.StartAsync((context, _) => (answer ?? Batch)(context, server));
        server.ServerInfo = Info.Replace("MODEL", DemoModel.ModelPath);
        return server;
    }

    private static OneBatchServerOptions Options(MockServer server, string file = "") => new()
    {
        BaseUrl = server.Address, ResultFile = file, BatchSizes = [2], InputLengths = [9], OutputLengths = [3], SkipWarmup = true,
    };

    private static async Task<(IReadOnlyList<OneBatchServerResult> Results, string Output, string Error)> Run(OneBatchServerOptions options)
    {
        var output = new StringWriter { NewLine = "\n" };
        var error = new StringWriter { NewLine = "\n" };
        using OneBatchServerBenchmark benchmark = new(options, output, error);
        return (await benchmark.RunAsync(), output.ToString(), error.ToString());
    }

    [Fact]
    public async Task A_sweep_prints_and_appends_every_case_that_fits()
    {
        await using MockServer server = await StartAsync();
        string file = DemoModel.ResultFile();
        (var results, string output, _) = await Run(Options(server, file) with { BatchSizes = [1, 3, 5], InputLengths = [9, 90], OutputLengths = [1, 3], ShowReport = true, HourlyPrice = 2 });
        Assert.Equal([(1, 9, 1), (1, 9, 3), (1, 90, 1), (1, 90, 3), (3, 9, 1), (3, 9, 3)], results.Select(r => (r.BatchSize, r.InputLength, r.OutputLength)));
        Assert.Contains("========Skip benchmark batch_size=5 > skip_max_running_requests_threshold=4 due to max running requests limit.========", output);
        Assert.Contains("due to kv cache limit.========", output);
        Assert.Contains("batch size: 3\ninput_len: 9\noutput_len: 3\nlatency: ", output);
        Assert.Contains("last generation throughput: 12.50 tok/s\ncache hit rate: 0.5000\n", output);
        Assert.Contains("Input lens: (9, 90). Output lens: (1, 3).", output);
        Assert.Contains("| batch size | input len | latency (s) |", output);
        JsonElement[] lines = DemoModel.Lines(file);
        Assert.Equal(6, lines.Length);
        Assert.Equal(["run_name", "batch_size", "input_len", "output_len", "latency", "input_throughput", "output_throughput", "overall_throughput", "last_ttft", "last_gen_throughput", "acc_length", "cache_hit_rate"],
            lines[5].EnumerateObject().Take(12).Select(p => p.Name));
        Assert.Equal(JsonValueKind.Null, lines[0].GetProperty("output_throughput").ValueKind);
        Assert.Equal(-1, lines[5].GetProperty("acc_length").GetDouble());
        Assert.Equal("flushed", lines[5].GetProperty("cache_state").GetString());
        Assert.Equal(64, lines[5].GetProperty("dataset").GetProperty("sha256").GetString()!.Length);
    }

    [Fact]
    public void Figures_are_those_of_the_formulas()
    {
        OneBatchServerResult r = new()
        {
            RunName = "r", BatchSize = 4, InputLength = 100, OutputLength = 11, PromptTokens = 400, Latency = 3, LastTtft = 1, LastGenerationThroughput = null, AcceptLength = null, CacheHitRate = null,
        };
        Assert.Equal(400, r.InputThroughput);
        // The first tokens are in neither the count nor the time.
        Assert.Equal(4 * 10 / 2.0, r.OutputThroughput);
        Assert.Equal(444 / 3.0, r.OverallThroughput);
        Assert.Equal(0.2, r.InterTokenLatency);
        string table = OneBatchServerReport.ToText(new OneBatchServerOptions { BaseUrl = new Uri("http://h") }, [r], hourly: 3.6);
        // 1e6 / (400 * 0.7) / 3600 * 3.6 and 1e6 / 20 / 3600 * 3.6.
        Assert.Contains("| 4 | 100 | 3.00 | 400.00 | 20.00 | n/a | 200.00 | 3.57 | 50.00 | n/a |", table);
    }

    [Fact]
    public async Task The_request_is_one_with_every_row()
    {
        await using MockServer server = await StartAsync();
        await Run(Options(server) with { ReturnLogprob = true, StreamInterval = 4, ParallelBatch = true, LoraNames = ["a", "b"], LoraDistribution = "distinct", FakePrefill = true });
        (string path, string text) = Assert.Single(server.Requests, r => r.Path == "/generate");
        JsonElement body = JsonDocument.Parse(text).RootElement;
        Assert.Equal("""{"temperature": 0.0, "max_new_tokens": 3, "ignore_eos": true, "json_schema": null, "stream_interval": 4}""", body.GetProperty("sampling_params").GetRawText());
        Assert.Equal([9, 9], body.GetProperty("input_ids").EnumerateArray().Select(row => row.GetArrayLength()));
        Assert.Equal("""["a", "b"]""", body.GetProperty("lora_path").GetRawText());
        Assert.Equal(("2.2.2.2", 0), (body.GetProperty("bootstrap_host").GetString(), body.GetProperty("bootstrap_room").GetInt32()));
        Assert.True(body.GetProperty("parallel_batch").GetBoolean() && body.GetProperty("return_logprob").GetBoolean() && body.GetProperty("stream").GetBoolean());
        Assert.Equal(["/flush_cache", "/generate"], server.Requests.Select(r => r.Path).Where(p => p is "/flush_cache" or "/generate"));
    }

    [Fact]
    public async Task The_cache_is_filled_with_the_beginning_of_the_very_prompts()
    {
        await using MockServer server = await StartAsync();
        await Run(Options(server) with { CacheHitRate = 0.5 });
        JsonElement[] bodies = [.. server.Requests.Where(r => r.Path == "/generate").Select(r => JsonDocument.Parse(r.Body).RootElement)];
        Assert.Equal(2, bodies.Length);
        Assert.Equal(1, bodies[0].GetProperty("sampling_params").GetProperty("max_new_tokens").GetInt32());
        for (int row = 0; row < 2; row++)
            Assert.Equal(bodies[1].GetProperty("input_ids")[row].EnumerateArray().Take(4).Select(id => id.GetInt32()), bodies[0].GetProperty("input_ids")[row].EnumerateArray().Select(id => id.GetInt32()));
    }

    [Fact]
    public async Task A_profiled_pass_repeats_every_case_and_its_figures_are_not_recorded()
    {
        await using MockServer server = await StartAsync();
        string file = DemoModel.ResultFile();
        // The first batch ends before its window, which must be closed and its files waited for.
        int asked = 0;
        string Directory() => JsonDocument.Parse(server.Requests.Last(r => r.Path == "/start_profile").Body).RootElement.GetProperty("output_dir").GetString()!;
        server.ProfileStatus = () => asked++ switch
        {
            0 => $$"""{"state": "running", "ranks": [{"state": "running", "output_dir": "{{Directory()}}", "steps_recorded": 2}]}""",
            1 => $$"""{"state": "stopping", "ranks": [{"state": "stopping", "output_dir": "{{Directory()}}", "steps_recorded": 2}]}""",
            _ => $$"""{"state": "idle", "ranks": [{"state": "idle", "last": {"output_dir": "{{Directory()}}", "files": ["a.trace.json.gz"], "steps_recorded": 4, "first_step": 7, "last_step": 10, "records_dropped": 0} }]}""",
        };
        (var results, string output, _) = await Run(Options(server, file) with { OutputLengths = [2, 3], Profile = new ProfileRequest { NumSteps = 5, Prefix = "p-", OutputDirectory = "/tmp/none-of-ours" } });
        Assert.Equal(["p-bs-2-il-9", "p-bs-2-il-9"], server.Requests.Where(r => r.Path == "/start_profile").Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("profile_prefix").GetString()));
        Assert.Equal(1, server.Requests.Count(r => r.Path == "/stop_profile"));
        Assert.Contains("a.trace.json.gz\nSteps recorded: 4 (7 to 10).", output);
        Assert.Equal(4, server.Requests.Count(r => r.Path == "/generate"));
        Assert.Equal(2, DemoModel.Lines(file).Length);
        Assert.All(results, r => Assert.StartsWith("/tmp/none-of-ours/", r.ProfileDirectory));
    }

    [Fact]
    public async Task Warm_up_takes_each_batch_size_once_with_measured_lengths()
    {
        await using MockServer server = await StartAsync();
        (_, string output, _) = await Run(Options(server) with { BatchSizes = [1, 2, 1, 9], OutputLengths = [3], SkipWarmup = false });
        Assert.StartsWith("======== Warmup Begin ========\nWarmup with batch_size=[1, 2, 9]\n", output);
        Assert.Contains("\n======== Warmup End   ========\n", output);
        Assert.Equal(2 + 3, server.Requests.Count(r => r.Path == "/generate"));
    }

    [Theory]
    [InlineData("""{"error": {"message": "lost"}}""", "ended the batch with an error: {\"message\": \"lost\"}")]
    [InlineData("""{"index": 0, "meta_info": {"finish_reason": {"type": "abort"}, "completion_tokens": 1}}""", "row 0 ended by 'abort'")]
    [InlineData("""{"index": 7, "meta_info": {"finish_reason": null, "completion_tokens": 1}}""", "the answer is not that of a batch of 2")]
    [InlineData("[DONE]", "ended before every row had a token")]
    public async Task A_batch_that_fails_is_said(string line, string message)
    {
        await using MockServer server = await StartAsync((context, _) => MockServer.SayAsync(context, line, "[DONE]"));
        Assert.Contains(message, (await Assert.ThrowsAnyAsync<BenchException>(() => Run(Options(server)))).Message);
    }

    [Fact]
    public async Task Vllm_is_asked_for_completions_of_ids()
    {
        await using MockServer server = await StartAsync((context, _) => MockServer.SayAsync(context,
            """{"choices": [{"index": 0, "text": "a"}]}""", """{"choices": [{"index": 1, "text": "a"}]}""", """{"choices": [{"index": 0, "text": "b"}, {"index": 1, "text": "b"}]}""", "[DONE]"));
        (var results, _, _) = await Run(Options(server) with { Backend = "vllm", LocalTokenizer = DemoModel.ModelPath });
        Assert.Single(results);
        JsonElement body = JsonDocument.Parse(server.Requests.Single(r => r.Path == "/v1/completions").Body).RootElement;
        Assert.Equal((2, 3), (body.GetProperty("prompt").GetArrayLength(), body.GetProperty("max_tokens").GetInt32()));
        Assert.Contains(server.Requests, r => r.Path == "/reset_prefix_cache");
    }

    [Fact]
    public async Task Other_prompts_are_the_file_s_text_or_share_a_beginning()
    {
        await using MockServer server = await StartAsync();
        string prompt = DemoModel.ResultFile(), summary = DemoModel.ResultFile();
        File.WriteAllText(prompt, "My fellow Americans");
        await Run(Options(server) with { FixedPromptFile = prompt, SummaryFile = summary, ServerArguments = ["--tp", "2"] });
        JsonElement ids = JsonDocument.Parse(server.Requests.Last(r => r.Path == "/generate").Body).RootElement.GetProperty("input_ids");
        Assert.Equal(ids[0].GetRawText(), ids[1].GetRawText());
        JsonElement all = JsonDocument.Parse(File.ReadAllText(summary)).RootElement;
        Assert.Equal((1, "--tp"), (all.GetArrayLength(), all[0].GetProperty("server_args")[0].GetString()));

        (var results, _, _) = await Run(Options(server) with { Dataset = new() { Name = "generated-shared-prefix", PrefixGroups = 1, SystemPromptLength = 20, QuestionLength = 3 } });
        ids = JsonDocument.Parse(server.Requests.Last(r => r.Path == "/generate").Body).RootElement.GetProperty("input_ids");
        Assert.Equal(ids[0].EnumerateArray().Take(10).Select(i => i.GetInt32()), ids[1].EnumerateArray().Take(10).Select(i => i.GetInt32()));
        Assert.Equal(ids.EnumerateArray().Sum(row => row.GetArrayLength()), results[0].PromptTokens);
    }
}
