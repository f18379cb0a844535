using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
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
        ServingOptions options = Options(server) with { WarmupRequests = 1, FlushCache = true, Profile = new ProfileOptions { StartStep = 3, OutputDirectory = "/tmp/p" } };
        await Run(options with { Dataset = options.Dataset with { NumPrompts = 1 } }, output);
        Assert.Equal(["/generate", "/flush_cache?timeout=60", "/start_profile", "/generate", "/stop_profile", "/server_info"],
            server.Requests.Select(r => r.Path).Where(p => p is not ("/v1/models" or "/model_info")));
        JsonElement profile = JsonDocument.Parse(server.Requests.Single(r => r.Path == "/start_profile").Body).RootElement;
        Assert.Equal(3, profile.GetProperty("start_step").GetInt32());
        Assert.StartsWith("/tmp/p/", profile.GetProperty("output_dir").GetString());
        string[] prompts = [.. server.Requests.Where(r => r.Path == "/generate").Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("text").GetString()!)];
        Assert.NotEqual(prompts[0][..8], prompts[1][..8]);
        Assert.Contains("Profiler started\n", output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said()
    {
        ServingOptions options = new() { BaseUrl = new Uri("http://127.0.0.1:1"), ReadyTimeout = 0.5 };
        Assert.Contains("http://127.0.0.1:1/ is not ready", (await Assert.ThrowsAsync<BenchException>(() => Run(options))).Message);
    }
}
