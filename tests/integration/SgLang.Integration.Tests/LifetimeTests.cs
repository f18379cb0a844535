using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>Clients that vanish, requests that are aborted, and the server's status from start to end.</summary>
public class LifetimeTests(DemoServer demo)
{
    private const string Long = """{"text":"a","rid":"long","stream":true,"sampling_params":{"max_new_tokens":2000,"temperature":0,"ignore_eos":true}}""";

    /// <summary>A stream of which one event has been read.</summary>
    private async Task<(HttpResponseMessage Response, Stream Stream)> BeginAsync(string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json(json) };
        HttpResponseMessage response = await demo.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream stream = await response.Content.ReadAsStreamAsync();
        Assert.True(await stream.ReadAsync(new byte[64]) > 0);
        return (response, stream);
    }

    private Task Idle() => DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine is idle");

    [Fact]
    public async Task A_client_that_vanishes_frees_its_pages()
    {
        await Idle();
        int before = demo.Engine.Stats.UsedTokens;
        (HttpResponseMessage response, _) = await BeginAsync(Long);
        await DemoServer.Eventually(() => demo.Engine.Stats.UsedTokens > before, "the request holds pages");
        long aborted = demo.Engine.Stats.NumAborted;
        response.Dispose();
        await Idle();
        await DemoServer.Eventually(() => demo.Engine.Stats.UsedTokens <= before, "its pages are free");
        Assert.True(demo.Engine.Stats.NumAborted > aborted, "it ended by itself: the client left too late to prove anything");
    }

    [Fact]
    public async Task A_client_that_vanishes_while_waiting_for_a_whole_answer_frees_its_pages()
    {
        await Idle();
        int before = demo.Engine.Stats.UsedTokens;
        using var gone = new CancellationTokenSource();
        Task<HttpResponseMessage> waiting = demo.Client.PostAsync("/generate", DemoServer.Json(Long.Replace("\"stream\":true", "\"stream\":false")), gone.Token);
        await DemoServer.Eventually(() => demo.Engine.Stats.UsedTokens > before, "the request holds pages");
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Idle();
        await DemoServer.Eventually(() => demo.Engine.Stats.UsedTokens <= before, "its pages are free");
    }

    [Fact]
    public async Task Pages_are_free_within_two_steps_of_the_abort()
    {
        await Idle();
        int before = demo.Engine.Stats.UsedTokens;
        Generation generation = demo.Engine.Submit(new GenerationRequest
        {
            Rid = "two-steps",
            InputIds = [1, 2, 3],
            IsStreaming = true,
            Sampling = new SamplingParams { MaxNewTokens = 2000, IgnoreEos = true, Temperature = 0 },
        });
        Assert.NotNull(await generation.ReadAsync());
        await generation.DisposeAsync();
        long steps = demo.Engine.Stats.NumSteps;
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0 } stats && stats.UsedTokens <= before, "its pages are free");
        Assert.InRange(demo.Engine.Stats.NumSteps - steps, 0, 2);
    }

    [Fact]
    public async Task Others_go_on_when_one_vanishes()
    {
        Golden.Case golden = Golden.Cases[0];
        (HttpResponseMessage response, _) = await BeginAsync(Long);
        Task<List<JsonNode>> other = demo.StreamAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"stream":true,"sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},"temperature":0,"ignore_eos":true} }""");
        response.Dispose();
        Assert.Equal(golden.GreedyIds, (await other)[^1]["output_ids"]!.AsArray().Select(id => (int)id!));
    }

    [Fact]
    public async Task An_aborted_request_keeps_its_text_and_ends_with_abort()
    {
        // The request of a client that vanished has the same rid until its abort is through.
        await Idle();
        (HttpResponseMessage response, Stream stream) = await BeginAsync(Long);
        using (response)
        {
            (int status, JsonNode? body) = await demo.PostAsync("/abort_request", """{"rid":"lon"}""");
            Assert.Equal((200, null), (status, body));
            string rest = await new StreamReader(stream, Encoding.UTF8).ReadToEndAsync();
            Assert.EndsWith("data: [DONE]\n\n", rest);
            string last = rest.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)[^2]["data: ".Length..];
            JsonNode answer = JsonNode.Parse(last)!;
            Assert.Equal("abort", (string?)answer["meta_info"]!["finish_reason"]!["type"]);
            Assert.NotEmpty(answer["output_ids"]!.AsArray());
            Assert.True((int?)answer["meta_info"]!["completion_tokens"] < 2000);
        }
        Assert.Equal(200, (await demo.PostAsync("/abort_request", """{"rid":"unknown"}""")).Status);
        Assert.Equal(200, (await demo.PostAsync("/abort_request", "{}")).Status);
    }

    [Fact]
    public async Task Until_the_warm_up_the_server_listens_and_is_unhealthy()
    {
        await using ServerHost host = await ServerHost.StartAsync(demo.Engine, new ServerOptions { Port = 0 }, NullLoggerFactory.Instance);
        using HttpClient client = DemoServer.ClientOf(host);
        Assert.Equal(ServerStatus.Starting, host.Status);
        Assert.Equal(503, (int)(await client.GetAsync("/health")).StatusCode);
        Assert.Equal(503, (int)(await client.GetAsync("/health_generate")).StatusCode);
        Assert.Equal(200, (int)(await client.GetAsync("/ping")).StatusCode);
        await host.WarmUpAsync();
        Assert.Equal(ServerStatus.Up, host.Status);
        Assert.Equal(200, (int)(await client.GetAsync("/health")).StatusCode);
        Assert.Equal(200, (int)(await client.GetAsync("/health_generate")).StatusCode);
    }

    [Fact]
    public async Task A_busy_server_is_healthy()
    {
        (HttpResponseMessage response, _) = await BeginAsync(Long);
        using (response)
        {
            Assert.Equal(200, (int)(await demo.Client.GetAsync("/health_generate")).StatusCode);
            Assert.Equal(1, demo.Engine.Stats.NumRunning);
        }
        await Idle();
    }

    [Fact]
    public async Task Draining_waits_for_what_runs_and_refuses_what_comes()
    {
        // An engine of its own: draining is for good.
        await using InferenceEngine engine = InferenceEngine.Start(demo.Engine.Options with { MaxTotalTokens = 4096 });
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true }, NullLoggerFactory.Instance);
        using HttpClient client = DemoServer.ClientOf(host);
        Task<List<JsonNode>> running = DemoServer.StreamAsync(client, "/generate", Long.Replace("2000", "400"));
        await DemoServer.Eventually(() => engine.Stats.NumRunning == 1, "the request runs");
        Task drained = host.DrainAsync();
        Assert.Equal(503, (int)(await client.GetAsync("/health")).StatusCode);
        (int status, JsonNode? body) = await DemoServer.PostAsync(client, "/generate", """{"text":"a"}""");
        Assert.Equal((503, "503"), (status, (string?)body!["type"]));
        List<JsonNode> events = await running;
        Assert.Equal("length", (string?)events[^1]["meta_info"]!["finish_reason"]!["type"]);
        Assert.Equal(400, (int?)events[^1]["meta_info"]!["completion_tokens"]);
        await drained.WaitAsync(DemoServer.Deadline);
    }
}
