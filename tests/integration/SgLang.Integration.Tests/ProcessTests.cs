using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SgLang.Integration.Tests;

/// <summary>The program from start to exit code.</summary>
public partial class ProcessTests
{
    private static readonly string[] s_demo = ["launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--num-threads", "1", "--max-total-tokens", "8192", "--port", "0"];

    private static string Long(int tokens) => $$"""{"text":"a","stream":true,"sampling_params":{"max_new_tokens":{{tokens}},"temperature":0,"ignore_eos":true} }""";

    /// <summary>A stream whose first event has arrived; the rest is read by the task.</summary>
    private static async Task<(Task<string> Remainder, HttpResponseMessage Response)> BeginAsync(HttpClient client, int tokens)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json(Long(tokens)) };
        HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream stream = await response.Content.ReadAsStreamAsync();
        Assert.True(await stream.ReadAsync(new byte[16]) > 0);
        return (new StreamReader(stream).ReadToEndAsync(), response);
    }

    [Fact]
    public async Task Sigterm_lets_streams_end_and_exits_with_0()
    {
        await using ServerProcess server = ServerProcess.Start(s_demo);
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        (Task<string> first, HttpResponseMessage one) = await BeginAsync(client, 1000);
        (Task<string> second, HttpResponseMessage other) = await BeginAsync(client, 1000);
        using (one)
        using (other)
        {
            server.Signal("TERM");
            foreach (string text in new[] { await first, await second })
            {
                Assert.EndsWith("data: [DONE]\n\n", text);
                JsonNode last = JsonNode.Parse(text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)[^2]["data: ".Length..])!;
                Assert.Equal("""{"type":"length","length":1000}""", last["meta_info"]!["finish_reason"]!.ToJsonString());
            }
        }
        Assert.True(await server.ExitAsync() == 0, server.Output);
        Assert.Contains("Shutting down gracefully.", server.Output);
    }

    [Fact]
    public async Task Killed_in_the_middle_of_streams_it_starts_again_on_the_same_port_and_answers_the_same()
    {
        const string Body = """{"text":"My fellow Americans,","sampling_params":{"max_new_tokens":12,"temperature":0,"ignore_eos":true}}""";
        Uri address;
        string answer;
        await using (ServerProcess server = ServerProcess.Start(s_demo))
        {
            address = await server.ReadyAsync();
            using var client = new HttpClient { BaseAddress = address, Timeout = DemoServer.Deadline };
            answer = (string)(await DemoServer.PostAsync(client, "/generate", Body)).Body!["text"]!;
            (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 1500);
            using (response)
            {
                server.Signal("KILL");
                Assert.Equal(137, await server.ExitAsync());
                Assert.True(await Record.ExceptionAsync(() => rest) is HttpRequestException or IOException, "the stream ended as if it were complete");
            }
        }
        await using ServerProcess again = ServerProcess.Start([.. s_demo[..^1], address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        Assert.Equal(address, await again.ReadyAsync());
        using var later = new HttpClient { BaseAddress = address, Timeout = DemoServer.Deadline };
        Assert.Equal(answer, (string?)(await DemoServer.PostAsync(later, "/generate", Body)).Body!["text"]);
    }

    [Fact]
    public async Task A_second_signal_ends_at_once()
    {
        await using ServerProcess server = ServerProcess.Start(s_demo);
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 2000);
        using (response)
        {
            server.Signal("TERM");
            await DemoServer.Eventually(() => server.Output.Contains("Shutting down gracefully.", StringComparison.Ordinal), "the first signal is seen");
            // Signals in quick succession count as one, so it may take several.
            Task<int> exit = server.ExitAsync();
            while (await Task.WhenAny(exit, Task.Delay(100)) != exit) server.TrySignal("TERM");
            Assert.Equal(143, await exit);
            await Record.ExceptionAsync(() => rest);
        }
    }

    [Fact]
    public async Task A_signal_that_comes_twice_at_once_is_one()
    {
        await using ServerProcess server = ServerProcess.Start(s_demo);
        await server.ReadyAsync();
        server.Signal("TERM");
        server.TrySignal("TERM");
        Assert.True(await server.ExitAsync() == 0, server.Output);
    }

    [Fact]
    public async Task Forced_shutdown_does_not_wait()
    {
        // What a script runs in the background has SIGINT ignored, and hands that down.
        await using ServerProcess server = ServerProcess.StartIn(["env", "--default-signal=INT"], new Dictionary<string, string> { ["SGL_FORCE_SHUTDOWN"] = "1" }, s_demo);
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 2000);
        using (response)
        {
            server.Signal("INT");
            Assert.True(await server.ExitAsync() == 0, server.Output);
            string text = "";
            Exception? cut = await Record.ExceptionAsync(async () => text = await rest);
            Assert.True(cut is not null || !text.Contains("\"length\":2000", StringComparison.Ordinal), "the request ran to its end");
        }
    }

    [Fact]
    public async Task The_log_has_the_summary_in_lines_with_a_time()
    {
        await using ServerProcess server = ServerProcess.Start([.. s_demo, "--attention-backend", "fa3"]);
        await server.ReadyAsync();
        foreach (string part in new[] { "Model: ", "Device: ", "Memory: weights ", "max_total_num_tokens=", "Loaded in ", "Listening on http://127.0.0.1:", "The server is fired up and ready to roll!", "--attention-backend has no effect: ", " TP0] Prefill batch, #new-seq: 1, " })
            Assert.Contains(part, server.Output);
        Assert.Matches(LogLine(), server.Output.Split('\n').Single(line => line.Contains("fired up", StringComparison.Ordinal)));
        server.Signal("TERM");
        Assert.Equal(0, await server.ExitAsync());
    }

    [Fact]
    public async Task A_port_in_use_is_exit_code_1_before_the_model_is_loaded()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await using ServerProcess server = ServerProcess.Start([.. s_demo, "--port", $"{port}"]);
        Assert.Equal(1, await server.ExitAsync());
        Assert.Contains($"--port: cannot listen on 127.0.0.1:{port}: it is in use by another program", server.Output);
        Assert.DoesNotContain("Loaded in", server.Output);
    }

    [Fact]
    public async Task Bad_usage_is_exit_code_2()
    {
        await using ServerProcess server = ServerProcess.Start([.. s_demo, "--page-size", "none"]);
        Assert.Equal(2, await server.ExitAsync());
        Assert.Contains("--page-size: must be an integer, got 'none'", server.Output);
    }

    [GeneratedRegex(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] The server is fired up and ready to roll!\s*$")]
    private static partial Regex LogLine();
}
