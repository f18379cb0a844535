using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Profiling;
using SgLang.Bench.Reports;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Serving;

/// <summary>The whole tool against scripted servers.</summary>
public class ServingBenchmarkTests
{
    private static ServingOptions Options(MockServer server, string file = "") => new()
    {
        BaseUrl = server.Address, OutputFile = file, WarmupRequests = 0,
        Dataset = new DatasetOptions { Name = "random-ids", NumPrompts = 6, RandomInputLength = 9, RandomOutputLength = 3, RandomRangeRatio = 1 },
    };

    private static Task<IReadOnlyList<ServingRun>> RunAll(ServingOptions options, TextWriter? output = null) => new ServingBenchmark(options, output ?? TextWriter.Null, TextWriter.Null).RunAsync();

    private static async Task<ServingMetrics> Run(ServingOptions options, TextWriter? output = null) => (await RunAll(options, output))[^1].Metrics;

    private static Task Three(HttpContext context) => MockServer.SayAsync(context, MockServer.Native("a", 1), MockServer.Native("ab", 2), MockServer.Native("abc", 3), "[DONE]");

    [Fact]
    public async Task Times_are_those_of_the_server_s_schedule()
    {
        // The server stamps its own flushes; the client's times must lie at or after them, in the same order.
        long[] flushed = new long[2];
        await using MockServer server = await MockServer.StartAsync(async (context, _) =>
        {
            flushed[0] = Stopwatch.GetTimestamp();
            await MockServer.SayAsync(context, MockServer.Native("a", 1));
            await Task.Delay(60);
            flushed[1] = Stopwatch.GetTimestamp();
            await MockServer.SayAsync(context, MockServer.Native("ab", 2), "[DONE]");
        });
        string file = DemoModel.ResultFile();
        ServingOptions options = Options(server, file);
        ServingMetrics m = await Run(options with { Dataset = options.Dataset with { NumPrompts = 1 }, OutputDetails = true });
        Assert.Equal((1, 2, 1), (m.Completed, m.OutputTokens, m.Itl.Count));
        double gap = Stopwatch.GetElapsedTime(flushed[0], flushed[1]).TotalSeconds;
        Assert.True(m.Ttft.Mean + m.Itl.Mean >= gap, $"the second token came {m.Ttft.Mean + m.Itl.Mean} s after the send, but the server waited {gap} s");
        Assert.True(m.E2E.Mean >= m.Ttft.Mean + m.Itl.Mean - 1e-9, "the end came before the last token");
        JsonElement line = DemoModel.Lines(file).Single();
        Assert.Equal([1, 1], line.GetProperty("chunk_tokens")[0].EnumerateArray().Select(t => t.GetInt32()));
        Assert.Equal(64, line.GetProperty("dataset").GetProperty("sha256").GetString()!.Length);
    }

    [Fact]
    public async Task What_cannot_be_written_is_said_before_anything_is_sent()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => Three(context));
        string directory = Directory.CreateTempSubdirectory("sgl-test").FullName;
        string file = Path.Combine(directory, "file");
        File.WriteAllText(file, "");
        foreach (ServingOptions options in (ServingOptions[])
                 [Options(server, Path.Combine(directory, "no", "r.jsonl")), Options(server) with { HtmlFile = directory }, Options(server) with { PlotDirectory = Path.Combine(file, "pictures") }])
            await Assert.ThrowsAsync<BenchUsageException>(() => RunAll(options));
        Assert.Empty(server.Requests);

        using StringWriter output = new();
        await RunAll(Options(server) with { PlotDirectory = Path.Combine(directory, "pictures"), Arguments = new() { ["seed"] = 42 } }, output);
        Assert.StartsWith("benchmark_args={\"seed\": 42}\n", output.ToString());
        Assert.All(Directory.GetFiles(Path.Combine(directory, "pictures")), picture => Assert.EndsWith(".svg", picture));
    }

    [Fact]
    public async Task Tokens_of_images_are_those_that_the_server_counts_beyond_the_text()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) =>
            MockServer.SayAsync(context, """{"text": "a", "meta_info": {"finish_reason": null, "prompt_tokens": 1000, "completion_tokens": 1, "cached_tokens": 0}}""", "[DONE]"));
        string file = DemoModel.ResultFile();
        using StringWriter output = new();
        ServingMetrics m = await Run(Options(server, file) with
        {
            Tokenizer = DemoModel.ModelPath,
            Dataset = new DatasetOptions { Name = "image", NumPrompts = 3, RandomInputLength = 9, RandomOutputLength = 1, RandomRangeRatio = 1, ImageResolution = "4x4" },
        }, output);
        JsonElement line = DemoModel.Lines(file).Single();
        Assert.Equal((3000, m.InputTokens, 3000 - m.InputTokens),
            (line.GetProperty("total_input_tokens").GetInt64(), line.GetProperty("total_input_text_tokens").GetInt64(), line.GetProperty("total_input_vision_tokens").GetInt64()));
        Assert.Contains($"Total input vision tokens:               {3000 - m.InputTokens} ", output.ToString());
        Assert.All(server.Requests.Where(request => request.Path == "/generate"), request => Assert.Contains("\"image_data\": [\"data:image/jpeg;base64,", request.Body));
    }

    [Fact]
    public async Task Refused_and_broken_requests_are_failures_with_reasons()
    {
        await using MockServer server = await MockServer.StartAsync(async (context, i) =>
        {
            switch (i)
            {
                case 0:
                    context.Response.StatusCode = 503;
                    await context.Response.WriteAsync("queue full");
                    break;
                case 1:
                    await MockServer.SayAsync(context, MockServer.Native("a", 1));
                    break;
                case 2:
                    await MockServer.SayAsync(context, MockServer.Native("a", 1), """{"error": {"message": "lost"}}""");
                    break;
                case 3:
                    context.Abort();
                    break;
                default:
                    await Three(context);
                    break;
            }
        });
        var output = new StringWriter();
        ServingMetrics m = await Run(Options(server) with { MaxConcurrency = 1 }, output);
        Assert.Equal((2, 4), (m.Completed, m.Failures.Values.Sum()));
        Assert.Contains("503 Service Unavailable: queue full", m.Failures.Keys);
        Assert.Contains("the stream ended without [DONE]", m.Failures.Keys);
        Assert.Contains(m.Failures.Keys, reason => reason.Contains("lost"));
        Assert.Contains("4 requests FAILED", output.ToString());
        Assert.Equal(6, m.OutputTokens);
    }

    [Fact]
    public async Task Never_more_requests_are_open_than_allowed_and_the_wait_is_in_the_scheduled_latency()
    {
        await using MockServer server = await MockServer.StartAsync(async (context, _) =>
        {
            await Task.Delay(20);
            await Three(context);
        });
        ServingMetrics m = await Run(Options(server) with { MaxConcurrency = 2 });
        Assert.Equal(6, m.Completed);
        Assert.InRange(server.MostOpen, 1, 2);
        Assert.InRange(m.PeakConcurrency, 1, 2);
        Assert.True(m.E2EFromScheduled.Max > m.E2E.Max, $"from scheduled {m.E2EFromScheduled.Max}, from sent {m.E2E.Max}");
    }

    [Fact]
    public async Task Requests_are_those_of_the_backend()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => context.Request.Path.Value switch
        {
            "/generate" => Three(context),
            "/v1/embeddings" => context.Response.WriteAsync("""{"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 4}}"""),
            "/v2/models/ensemble/generate_stream" => MockServer.SayAsync(context, """{"text_output": "a"}""", """{"text_output": "ab"}"""),
            "/v1/chat/completions" => MockServer.SayAsync(context, """{"choices": [{"delta": {"role": "assistant", "content": ""}}]}""", """{"choices": [{"delta": {"content": "a"}}]}""",
                """{"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 1}}""", "[DONE]"),
            // What lmdeploy and vLLM send when they are asked for usage at the end only, and truss without any.
            _ => MockServer.SayAsync(context, """{"choices": [{"index": 0, "text": "a"}]}""", """{"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 1}}""", "[DONE]"),
        });
        ServingOptions options = Options(server) with { ExtraBody = new() { ["extra"] = 1 } };
        options = options with { Dataset = options.Dataset with { NumPrompts = 1 } };
        foreach (Backend backend in Backend.All)
        {
            server.Requests.Clear();
            Assert.Equal((backend, 1), (backend, (await Run(options with { Backend = backend, Tokenizer = DemoModel.ModelPath, Model = "mock" })).Completed));
            JsonElement body = JsonDocument.Parse(server.Requests.Single(r => r.Path == backend.Path).Body).RootElement;
            Assert.Equal(1, body.GetProperty("extra").GetInt32());
            if (backend.Shape != AnswerShape.Embedding) Assert.True(body.GetProperty("stream").GetBoolean());
            switch (backend.Shape)
            {
                case AnswerShape.Native:
                    Assert.Equal("""{"temperature": 0.0, "max_new_tokens": 3, "ignore_eos": true}""", body.GetProperty("sampling_params").GetRawText());
                    Assert.Equal(JsonValueKind.String, body.GetProperty("text").ValueKind);
                    break;
                case AnswerShape.Completion:
                    Assert.Equal(("mock", 3), (body.GetProperty("model").GetString(), body.GetProperty("max_tokens").GetInt32()));
                    Assert.True(body.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
                    break;
                case AnswerShape.Triton:
                    Assert.True(body.GetProperty("accumulate_tokens").GetBoolean());
                    Assert.Equal((3, 3, 1048576), (body.GetProperty("max_tokens").GetInt32(), body.GetProperty("min_length").GetInt32(), body.GetProperty("end_id").GetInt32()));
                    Assert.Equal(JsonValueKind.String, body.GetProperty("text_input").ValueKind);
                    break;
                case AnswerShape.Embedding:
                    Assert.Equal(JsonValueKind.String, body.GetProperty("input").ValueKind);
                    Assert.False(body.TryGetProperty("stream", out _));
                    break;
                default:
                    Assert.Equal("user", body.GetProperty("messages")[0].GetProperty("role").GetString());
                    Assert.Equal(3, body.GetProperty("max_completion_tokens").GetInt32());
                    break;
            }
        }
    }

    [Fact]
    public async Task Warm_up_flush_and_profiler_come_before_the_load_in_order()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => Three(context));
        var output = new StringWriter();
        ServingOptions options = Options(server) with { WarmupRequests = 1, FlushCache = true, Profile = new ProfileRequest { StartStep = 3, OutputDirectory = "/tmp/p" } };
        await Run(options with { Dataset = options.Dataset with { NumPrompts = 1 } }, output);
        Assert.Equal(["/generate", "/flush_cache?timeout=60", "/start_profile", "/generate", "/profile_status", "/stop_profile", "/server_info"],
            server.Requests.Select(r => r.Path).Where(p => p is not ("/v1/models" or "/model_info")));
        JsonElement profile = JsonDocument.Parse(server.Requests.Single(r => r.Path == "/start_profile").Body).RootElement;
        Assert.Equal(3, profile.GetProperty("start_step").GetInt32());
        Assert.StartsWith("/tmp/p/", profile.GetProperty("output_dir").GetString());
        string[] prompts = [.. server.Requests.Where(r => r.Path == "/generate").Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("text").GetString()!)];
        Assert.NotEqual(prompts[0][..8], prompts[1][..8]);
        Assert.Contains("Profiler started\n", output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task Recorded_messages_are_not_cached_by_the_warm_up()
    {
        string path = DemoModel.ResultFile();
        File.WriteAllText(path, """{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}], "max_tokens": 2}""");
        await using MockServer server = await MockServer.StartAsync((context, _) => MockServer.SayAsync(context,
            """{"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 4, "completion_tokens": 1}}""", "[DONE]"));
        await Run(Options(server) with { Backend = Backend.All.Single(b => b.Name == "vllm-chat"), Tokenizer = DemoModel.ModelPath, WarmupRequests = 1, Dataset = new DatasetOptions { Name = "openai", Path = path, NumPrompts = 1 } });
        string[] first = [.. server.Requests.Where(r => r.Path == "/v1/chat/completions").Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!)];
        Assert.Equal(["Warm-up. Be brief.", "Be brief."], first);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said()
    {
        ServingOptions options = new() { BaseUrl = new Uri("http://127.0.0.1:1"), ReadyTimeout = 0.5 };
        Assert.Contains("http://127.0.0.1:1/ is not ready", (await Assert.ThrowsAnyAsync<BenchException>(() => Run(options))).Message);
    }

    [Fact]
    public async Task Connections_are_not_limited()
    {
        // Every request waits until all are there: a client with a limit would never end.
        const int Requests = 150;
        using CountdownEvent all = new(Requests);
        TaskCompletionSource open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MockServer server = await MockServer.StartAsync(async (context, _) =>
        {
            if (all.Signal()) open.SetResult();
            await open.Task;
            await Three(context);
        });
        ServingOptions options = Options(server);
        ServingMetrics m = await Run(options with { Dataset = options.Dataset with { NumPrompts = Requests } }).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal((Requests, Requests, Requests), (m.Completed, m.PeakConcurrency, server.MostOpen));
    }

    [Fact]
    public async Task Every_rate_is_run_as_often_as_asked_and_the_last_run_sums_up()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => Three(context));
        string file = DemoModel.ResultFile();
        var output = new StringWriter();
        IReadOnlyList<ServingRun> runs = await RunAll(Options(server, file) with { Rates = [500, double.PositiveInfinity], Repeats = 3, Objectives = new ServiceObjectives(60000, null, null) }, output);
        Assert.Equal([(500.0, 0), (500, 1), (500, 2), (double.PositiveInfinity, 0), (double.PositiveInfinity, 1), (double.PositiveInfinity, 2)], runs.Select(r => (r.Rate, r.Repeat)));
        JsonElement[] lines = DemoModel.Lines(file);
        Assert.Equal([false, false, true, false, false, true], lines.Select(line => line.TryGetProperty("repeats", out _)));
        double[] means = [.. lines.Take(3).Select(line => line.GetProperty("mean_ttft_ms").GetDouble())];
        Assert.Equal(means.Average(), lines[2].GetProperty("repeats").GetProperty("mean_ttft_ms").GetProperty("mean").GetDouble(), 9);
        Assert.Equal("poisson", lines[0].GetProperty("schedule").GetString());
        // Repeats differ in their schedule, not in their requests.
        Assert.Equal(lines[0].GetProperty("dataset").GetProperty("sha256").GetString(), lines[1].GetProperty("dataset").GetProperty("sha256").GetString());
        Assert.Equal(6, lines[0].GetProperty("goodput").GetProperty("met").GetInt32());
        Assert.Contains("3 runs: mean and 95 % interval", output.ToString());
    }

    [Fact]
    public async Task The_highest_rate_that_meets_the_objectives_is_looked_for()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => Three(context));
        string file = DemoModel.ResultFile();
        var output = new StringWriter();
        // Nobody answers in a microsecond.
        IReadOnlyList<ServingRun> runs = await RunAll(Options(server, file) with { FindMaxRate = true, Objectives = new ServiceObjectives(0.001, null, null), Arrivals = new ArrivalOptions { Rate = 1e6 } }, output);
        Assert.All(runs, run => Assert.Equal(0, run.Metrics.Goodput!.Met));
        Assert.Contains("No rate down to", output.ToString());
        JsonElement found = DemoModel.Lines(file)[^1];
        Assert.Equal(("bench-serving-max-rate", JsonValueKind.Null, runs.Count), (found.GetProperty("tool").GetString(), found.GetProperty("max_rate").ValueKind, found.GetProperty("trials").GetArrayLength()));
    }

    [Fact]
    public async Task A_trace_is_sent_at_its_own_times()
    {
        string path = DemoModel.ResultFile();
        File.WriteAllLines(path, [.. new[] { 0, 40, 80 }.Select(ms => $$"""{"timestamp": {{ms}}, "hash_ids": [{{ms}}], "output_length": 3}""")]);
        await using MockServer server = await MockServer.StartAsync((context, _) => Three(context));
        ServingOptions options = Options(server) with { UseTraceTimestamps = true, Dataset = new DatasetOptions { Name = "mooncake", Path = path, NumPrompts = 3 } };
        ServingRun run = (await RunAll(options))[^1];
        double[] due = [.. run.Records.Select(r => Math.Round(Stopwatch.GetElapsedTime(run.Records[0].Scheduled, r.Scheduled).TotalMilliseconds, 3))];
        Assert.Equal([0, 40, 80], due);
        Assert.All(run.Records, record => Assert.True(record.Sent >= record.Scheduled));
        Assert.Equal("trace", (string?)run.Line["request_rate"]);
        Assert.Contains("has no time stamps", (await Assert.ThrowsAnyAsync<BenchException>(() => Run(Options(server) with { UseTraceTimestamps = true }))).Message);
    }

    [Fact]
    public async Task Each_turn_goes_on_from_the_real_answer()
    {
        await using MockServer server = await MockServer.StartAsync((context, i) => MockServer.SayAsync(context,
            $$$"""{"choices": [{"delta": {"content": "answer {{{i}}}"}}], "usage": {"prompt_tokens": {{{10 + i}}}, "completion_tokens": 2}}""", "[DONE]"));
        ServingOptions options = Options(server) with
        {
            Backend = Backend.All.Single(b => b.Name == "sglang-oai-chat"), MaxConcurrency = 1,
            Dataset = new DatasetOptions { Name = "generated-shared-prefix", PrefixGroups = 1, PromptsPerGroup = 1, SystemPromptLength = 9, QuestionLength = 3, PrefixOutputLength = 2, PrefixTurns = 3, SendRoutingKey = true },
        };
        ServingMetrics m = await Run(options);
        Assert.Equal((3, 6L), (m.Completed, m.OutputTokens));
        JsonElement[] bodies = [.. server.Requests.Where(r => r.Path == "/v1/chat/completions").Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("messages"))];
        Assert.Equal([1, 3, 5], bodies.Select(b => b.GetArrayLength()));
        Assert.Equal(["answer 0", "answer 1"], new[] { 1, 3 }.Select(i => bodies[2][i].GetProperty("content").GetString()));
        Assert.All(server.Headers, headers => Assert.Equal("group-0", headers["X-SMG-Routing-Key"]));
        Assert.Contains("need a chat backend", (await Assert.ThrowsAnyAsync<BenchException>(() => Run(options with { Backend = Backend.Sglang }))).Message);
    }

    [Fact]
    public async Task Adapters_keys_and_headers_are_sent()
    {
        await using MockServer server = await MockServer.StartAsync((context, _) => context.Request.Path == "/generate" ? Three(context)
            : MockServer.SayAsync(context, """{"choices": [{"text": "a"}], "usage": {"completion_tokens": 1}}""", "[DONE]"));
        ServingOptions options = Options(server) with
        {
            LoraNames = ["x", "y"], LoraDistribution = "distinct", Authorization = "Bearer k", Headers = [KeyValuePair.Create("X-A", "b")], ReturnLogprob = true, TopLogprobs = 2, TokenIdsLogprob = [3],
            ReturnRoutedExperts = true, FakePrefill = true,
        };
        await Run(options);
        Assert.All(server.Headers, headers => Assert.Equal(("Bearer k", "b"), (headers["Authorization"], headers["X-A"])));
        JsonElement[] bodies = [.. server.Requests.Where(r => r.Path == "/generate").Select(r => JsonDocument.Parse(r.Body).RootElement)];
        Assert.Equal((3, 3), (bodies.Count(b => b.GetProperty("lora_path").GetString() == "x"), bodies.Count(b => b.GetProperty("lora_path").GetString() == "y")));
        Assert.Equal(("[3]", 2, 0), (bodies[0].GetProperty("token_ids_logprob").GetRawText(), bodies[0].GetProperty("top_logprobs_num").GetInt32(), bodies[0].GetProperty("bootstrap_room").GetInt32()));
        await Run(options with { Backend = Backend.All.Single(b => b.Name == "vllm"), Tokenizer = DemoModel.ModelPath });
        JsonElement body = JsonDocument.Parse(server.Requests.Last(r => r.Path == "/v1/completions").Body).RootElement;
        Assert.Equal(body.GetProperty("lora_path").GetString(), body.GetProperty("model").GetString());
    }

    [Fact]
    public async Task A_run_that_is_cancelled_ends_at_once()
    {
        await using MockServer server = await MockServer.StartAsync(async (context, _) => await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }));
        using CancellationTokenSource stop = new();
        Task run = new ServingBenchmark(Options(server), TextWriter.Null, TextWriter.Null).RunAsync(stop.Token);
        while (server.MostOpen < 6) await Task.Delay(5);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void The_progress_line_says_how_far_and_how_fast()
    {
        using ProgressLine progress = new(TextWriter.Null, 10);
        for (int i = 0; i < 4; i++) progress.Tick(new RequestRecord(i) { OutputTokens = 5, Error = i == 3 ? "x" : null });
        Assert.Equal("[############..................] 4/10 2 s <3 s left 10 tok/s 1 FAILED", progress.Text(2));
    }
}
