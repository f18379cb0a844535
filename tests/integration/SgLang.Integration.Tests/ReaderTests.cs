using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Protocol.Sse;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>Clients that read slowly, not at all, or leave.</summary>
public sealed class ReaderTests(DemoServer demo, ITestOutputHelper output)
{
    private const int Tokens = 1200;

    /// <summary>Scores and the whole text in every event: far more than the system's buffers take.</summary>
    private static string Long(int seed) => $$"""
        {"text":"My fellow Americans,","stream":true,"return_logprob":true,"top_logprobs_num":3,"sampling_params":{"max_new_tokens":{{Tokens}},"temperature":1,"sampling_seed":{{seed}},"ignore_eos":true} }
        """;

    [Fact]
    public async Task Readers_that_stall_hold_up_nobody_and_find_everything_when_they_come_back()
    {
        using HttpClient client = SmallClient(demo.Host);
        List<HttpResponseMessage> stalled = [];
        for (int i = 0; i < 4; i++) stalled.Add(await BeginAsync(client, Long(i)));
        await AnswersAsTheReference();
        // Generation does not wait for its readers: the requests end, and their pages are free.
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, UsedTokens: 0 }, "stalled streams' requests end");
        foreach (HttpResponseMessage response in stalled)
        {
            using (response)
            {
                List<JsonNode> events = [];
                await foreach (string data in SseReader.ReadAsync(await response.Content.ReadAsStreamAsync())) events.Add(JsonNode.Parse(data)!);
                JsonNode last = events[^1];
                Assert.Equal(Tokens, last["output_ids"]!.AsArray().Count);
                Assert.Equal(Tokens, last["meta_info"]!["output_token_logprobs"]!.AsArray().Count);
                Assert.Equal("length", (string?)last["meta_info"]!["finish_reason"]!["type"]);
                // What waited was put together, so that it takes no more memory than the answer.
                Assert.True(events.Count < Tokens / 2, $"{events.Count} events");
            }
        }
    }

    [Fact]
    public async Task A_reader_that_never_comes_back_is_disconnected()
    {
        await using ServerHost host = await ServerHost.StartAsync(
            demo.Engine, new ServerOptions { Port = 0, SkipServerWarmup = true, StalledReaderTimeout = TimeSpan.FromSeconds(2) }, NullLoggerFactory.Instance);
        await host.WarmUpAsync();
        using HttpClient client = SmallClient(host);
        using HttpResponseMessage response = await BeginAsync(client, Long(9));
        await Task.Delay(TimeSpan.FromSeconds(6));
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, UsedTokens: 0 }, "the request ends");
        string? text = null;
        Exception? error = await Record.ExceptionAsync(async () => text = await response.Content.ReadAsStringAsync());
        Assert.True(error is HttpRequestException or IOException, $"{error?.GetType().Name ?? "no error"}: {text?.Length} characters");
    }

    /// <summary>SGL_DISCONNECTS of them (300), from SGL_DISCONNECT_SEED.</summary>
    [Fact]
    public async Task Clients_that_leave_at_random_moments_leave_nothing_behind()
    {
        int count = int.Parse(Environment.GetEnvironmentVariable("SGL_DISCONNECTS") ?? "300");
        int seed = int.TryParse(Environment.GetEnvironmentVariable("SGL_DISCONNECT_SEED"), out int given) ? given : new Random().Next();
        output.WriteLine($"seed {seed}");
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            var random = new Random(unchecked(seed + worker));
            while (Interlocked.Increment(ref next) <= count) await LeaveAsync(random);
        })));
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0, UsedTokens: 0 }, "all requests end");
        await AnswersAsTheReference();
    }

    private async Task AnswersAsTheReference()
    {
        Golden.Case golden = Golden.Cases[0];
        JsonNode answer = await demo.PostOkAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},"temperature":0,"ignore_eos":true} }""");
        Assert.Equal(golden.GreedyIds, answer["output_ids"]!.AsArray().Select(id => (int)id!));
    }

    /// <summary>A raw connection that is closed, or reset, before, within or after the answer.</summary>
    private async Task LeaveAsync(Random random)
    {
        int tokens = random.Next(3) == 0 ? 1500 : 1 + random.Next(20), copies = 1 + random.Next(3);
        string body = $$"""{"text":"{{(char)('a' + random.Next(26))}} word","stream":{{(random.Next(2) == 0 ? "true" : "false")}},"sampling_params":{"max_new_tokens":{{tokens}},"n":{{copies}},"ignore_eos":true} }""";
        byte[] request = Encoding.UTF8.GetBytes($"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(demo.Host.Address.Host, demo.Host.Address.Port);
        await socket.SendAsync(request.AsMemory(0, random.Next(8) == 0 ? random.Next(request.Length) : request.Length));
        byte[] buffer = new byte[4096];
        for (int reads = random.Next(4); reads > 0; reads--)
        {
            using var patience = new CancellationTokenSource(random.Next(1, 30));
            try
            {
                if (await socket.ReceiveAsync(buffer, patience.Token) == 0) break;
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
        if (random.Next(2) == 0) socket.LingerState = new LingerOption(true, 0); // a reset
    }

    private static HttpClient SmallClient(ServerHost host)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellation) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 8192 };
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        return new HttpClient(handler) { BaseAddress = host.Address, Timeout = DemoServer.Deadline };
    }

    private static async Task<HttpResponseMessage> BeginAsync(HttpClient client, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json(body) };
        HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode);
        return response;
    }
}
