using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>
/// A device that is lost under the whole program: the CPU behind the boundary of the CUDA part, failing like a GPU whose context is gone
/// once a file exists.
/// </summary>
public class DeviceLossTests
{
    private const string Message = "an illegal memory access was encountered";

    private readonly string _folder = Directory.CreateTempSubdirectory("sgl-loss-").FullName;

    private string Trigger => Path.Combine(_folder, "lost");

    [Fact]
    public async Task Every_request_ends_with_an_error_and_the_process_with_a_message()
    {
        await using ServerProcess server = Start();
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        // More than may run at once: some have streamed, some wait.
        Task<string>[] streams = [.. Enumerable.Range(0, 6).Select(_ => StreamAsync(client))];
        await DemoServer.Eventually(() => server.Output.Contains("Decode batch", StringComparison.Ordinal), "requests are decoding");
        await File.WriteAllTextAsync(Trigger, "");
        foreach (string text in await Task.WhenAll(streams))
        {
            string[] events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.True(text.Contains(Message, StringComparison.Ordinal), $"no error in {text}");
            Assert.DoesNotContain(@"""type"":""length""", events[^1]);
        }
        Assert.True(await server.ExitAsync() == 1, server.Output);
        Assert.Contains(Message, server.Output);
        Assert.Contains("The device is lost", server.Output);
    }

    [Fact]
    public async Task A_loss_while_idle_is_told_to_the_next_request()
    {
        await using ServerProcess server = Start();
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        await File.WriteAllTextAsync(Trigger, "");
        (int status, JsonNode? body) = await DemoServer.PostAsync(client, "/generate", """{"text":"a","sampling_params":{"max_new_tokens":5}}""");
        Assert.Equal(500, status);
        Assert.Contains(Message, body!.ToJsonString());
        Assert.True(await server.ExitAsync() == 1, server.Output);
    }

    [Fact]
    public async Task A_loss_while_loading_is_exit_code_1()
    {
        await File.WriteAllTextAsync(Trigger, "");
        await using ServerProcess server = Start();
        Assert.True(await server.ExitAsync() == 1, server.Output);
        Assert.Contains(Message, server.Output);
    }

    [Fact]
    public async Task A_loss_under_a_benchmark_is_one_line_and_exit_code_1()
    {
        await using ServerProcess bench = FakeDevice.Start(_folder, new() { ["SGL_LOSE_DEVICE"] = Trigger },
            ["bench-one-batch", "--batch", "1", "--input-len", "16", "--output-len", "1800", "--result-filename", ""]);
        await DemoServer.Eventually(() => bench.Output.Contains("Warmup", StringComparison.Ordinal), "the first batch runs");
        await File.WriteAllTextAsync(Trigger, "");
        Assert.True(await bench.ExitAsync() == 1, bench.Output);
        string line = Assert.Single(bench.Output.Split('\n'), line => line.Contains(Message, StringComparison.Ordinal));
        Assert.StartsWith("bench-one-batch: The device is lost: ", line);
    }

    private static async Task<string> StreamAsync(HttpClient client)
    {
        const string Body = """{"text":"a","stream":true,"sampling_params":{"max_new_tokens":2000,"temperature":0,"ignore_eos":true}}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json(Body) };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return await response.Content.ReadAsStringAsync();
    }

    private ServerProcess Start() => FakeDevice.Serve(_folder, new() { ["SGL_LOSE_DEVICE"] = Trigger }, "--max-total-tokens", "32768", "--max-running-requests", "4");
}
