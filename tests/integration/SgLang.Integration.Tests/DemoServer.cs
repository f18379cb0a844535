using System.Net.Http.Headers;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Integration.Tests;
using SgLang.Protocol.Sse;
using SgLang.Server;

[assembly: AssemblyFixture(typeof(DemoServer))]
// One engine serves all tests, and some watch its counters.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SgLang.Integration.Tests;

/// <summary>The demo model on the CPU in float32, and a server on a free port in front of it.</summary>
public sealed class DemoServer : IAsyncLifetime
{
    public const string ModelName = "demo-model";
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly List<ServerHost> _hosts = [];

    public static string RepositoryRoot { get; } = typeof(DemoServer).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!;
    public static string ModelPath { get; } = Path.GetFullPath(Path.Combine(RepositoryRoot, "models", "demo"));

    public InferenceEngine Engine { get; private set; } = null!;
    public ServerHost Host { get; private set; } = null!;
    public HttpClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Engine = InferenceEngine.Start(new EngineOptions
        {
            ModelPath = ModelPath,
            ServedModelName = ModelName,
            Device = DeviceKind.Cpu,
            DType = ModelDType.Float32,
            NumThreads = 1,
            MaxTotalTokens = 16384,
            RandomSeed = 1,
        });
        Host = await StartHostAsync(new ServerOptions());
        Client = new HttpClient { BaseAddress = Host.Address, Timeout = Deadline };
    }

    /// <summary>Another server in front of the same engine, already warm.</summary>
    public async Task<ServerHost> StartHostAsync(ServerOptions options, ILoggerFactory? logs = null)
    {
        ServerHost host = await ServerHost.StartAsync(Engine, options with { Port = 0 }, logs ?? NullLoggerFactory.Instance);
        _hosts.Add(host);
        await host.WarmUpAsync();
        return host;
    }

    public static HttpClient ClientOf(ServerHost host, string? key = null)
    {
        var client = new HttpClient { BaseAddress = host.Address, Timeout = Deadline };
        if (key is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        foreach (ServerHost host in _hosts) await host.DisposeAsync();
        await Engine.DisposeAsync();
    }

    public Task<(int Status, JsonNode? Body)> PostAsync(string path, string json) => PostAsync(Client, path, json);

    public static async Task<(int Status, JsonNode? Body)> PostAsync(HttpClient client, string path, string json)
    {
        using HttpResponseMessage response = await client.PostAsync(path, Json(json));
        string text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text));
    }

    /// <summary>The answer of a request that must succeed.</summary>
    public async Task<JsonNode> PostOkAsync(string path, string json)
    {
        (int status, JsonNode? body) = await PostAsync(path, json);
        Assert.True(status == 200, $"{path} answered {status}: {body}");
        return body!;
    }

    /// <summary>As <see cref="PostOkAsync"/>, for an answer that is plain text.</summary>
    public async Task<string> PostOkTextAsync(string path, string json)
    {
        using HttpResponseMessage response = await Client.PostAsync(path, Json(json));
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {text}");
        return text;
    }

    public async Task<JsonNode> GetOkAsync(string path)
    {
        using HttpResponseMessage response = await Client.GetAsync(path);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }

    public Task<List<JsonNode>> StreamAsync(string path, string json) => StreamAsync(Client, path, json);

    /// <summary>All events of a stream, which must end with [DONE].</summary>
    public static async Task<List<JsonNode>> StreamAsync(HttpClient client, string path, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(json) };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {(response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync())}");
        Assert.Equal(SseWriter.ContentType, response.Content.Headers.ContentType?.MediaType);
        string text = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("data: [DONE]\n\n", text);
        var events = new List<JsonNode>();
        await foreach (string data in SseReader.ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes(text)))) events.Add(JsonNode.Parse(data)!);
        return events;
    }

    public static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    /// <summary>Waits for a condition that another thread brings about.</summary>
    public static async Task Eventually(Func<bool> condition, string what)
    {
        DateTime end = DateTime.UtcNow + Deadline;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < end, $"not within {Deadline.TotalSeconds} s: {what}");
            await Task.Delay(5);
        }
    }
}

/// <summary>What the reference implementation made of the demo model.</summary>
internal static class Golden
{
    /// <summary>Below this difference of the two best logits, another arithmetic may choose otherwise.</summary>
    private const double Margin = 0.002;

    public sealed record Case(int[] InputIds, int[] GreedyIds, double?[] PromptLogprobs, double[] GreedyLogprobs)
    {
        public string InputJson => $"[{string.Join(',', InputIds)}]";
    }

    /// <summary>Greedy continuations up to the first step that is too close to call.</summary>
    public static IReadOnlyList<Case> Cases { get; } = Load();

    private static List<Case> Load()
    {
        string path = Path.Combine(DemoServer.RepositoryRoot, "tests", "data", "models-demo", "golden.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        var cases = new List<Case>();
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            double[] margins = [.. item.GetProperty("greedy_margins").EnumerateArray().Select(m => m.GetDouble())];
            int sure = Array.FindIndex(margins, margin => margin < Margin) is var first and >= 0 ? first : margins.Length;
            cases.Add(new Case(
                Ints(item.GetProperty("input_ids")),
                Ints(item.GetProperty("greedy_ids"))[..sure],
                [.. item.GetProperty("prompt_logprobs").EnumerateArray().Select(p => p.ValueKind == JsonValueKind.Null ? (double?)null : p.GetDouble())],
                [.. item.GetProperty("greedy_logprobs").EnumerateArray().Select(p => p.GetDouble())]));
        }
        return cases;

        static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(i => i.GetInt32())];
    }
}
