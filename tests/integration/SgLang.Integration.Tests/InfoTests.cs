using System.Net;
using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>Everything that tells about the server or its model, and the keys that guard it.</summary>
public class InfoTests(DemoServer demo)
{
    [Fact]
    public async Task Models()
    {
        JsonNode list = await demo.GetOkAsync("/v1/models");
        Assert.Equal("list", (string?)list["object"]);
        JsonNode card = list["data"]![0]!;
        Assert.Equal(["id", "object", "created", "owned_by", "root", "parent", "max_model_len"], card.AsObject().Select(field => field.Key));
        Assert.Equal(DemoServer.ModelName, (string?)card["id"]);
        Assert.Equal(2048, (int?)card["max_model_len"]);
        Assert.Equal(card.ToJsonString(), (await demo.GetOkAsync($"/v1/models/{DemoServer.ModelName}")).ToJsonString());

        using HttpResponseMessage missing = await demo.Client.GetAsync("/v1/models/meta-llama/other");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        JsonNode error = JsonNode.Parse(await missing.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal(("invalid_request_error", "model", "model_not_found"), ((string?)error["type"], (string?)error["param"], (string?)error["code"]));
        Assert.Contains("meta-llama/other", (string?)error["message"]);
    }

    [Theory]
    [InlineData("/model_info")]
    [InlineData("/get_model_info")]
    public async Task Model_info(string path)
    {
        JsonNode info = await demo.GetOkAsync(path);
        Assert.Equal(
            ["model_path", "tokenizer_path", "is_generation", "preferred_sampling_params", "weight_version", "has_image_understanding", "has_audio_understanding", "model_type", "architectures"],
            info.AsObject().Select(field => field.Key));
        Assert.Equal(DemoServer.ModelPath, (string?)info["model_path"]);
        Assert.Equal("llama", (string?)info["model_type"]);
        Assert.True((bool?)info["is_generation"]);
    }

    [Theory]
    [InlineData("/server_info")]
    [InlineData("/get_server_info")]
    public async Task Server_info(string path)
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { LaunchArguments = new JsonObject { ["tp_size"] = 1, ["model_path"] = "x" } });
        using HttpClient client = DemoServer.ClientOf(host);
        JsonNode info = JsonNode.Parse(await client.GetStringAsync(path))!;
        Assert.Equal(1, (int?)info["tp_size"]);
        Assert.Equal("0.1.0", (string?)info["version"]);
        Assert.Equal(demo.Engine.Info.MaxTotalTokens, (int?)info["max_total_num_tokens"]);
        JsonNode state = info["internal_states"]![0]!;
        Assert.Equal("x", (string?)state["model_path"]);
        Assert.NotNull(state["last_gen_throughput"]);
        Assert.Equal(demo.Engine.Info.MaxTotalTokens, (int?)state["memory_usage"]!["token_capacity"]);
        Assert.NotNull(state["effective_max_running_requests_per_dp"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/v1")]
    public async Task Tokenize_and_back(string prefix)
    {
        JsonNode one = await demo.PostOkAsync($"{prefix}/tokenize", """{"prompt":"Hello, world!"}""");
        Assert.Equal("""{"tokens":[4091,39,2160,78,11,747,0],"count":7,"max_model_len":2048}""", one.ToJsonString());
        JsonNode many = await demo.PostOkAsync($"{prefix}/tokenize", """{"prompt":["Hello, world!",""],"add_special_tokens":false}""");
        Assert.Equal("""{"tokens":[[39,2160,78,11,747,0],[]],"count":[6,0],"max_model_len":2048}""", many.ToJsonString());
        Assert.Equal("""{"text":"Hello, world!"}""", (await demo.PostOkAsync($"{prefix}/detokenize", """{"tokens":[4091,39,2160,78,11,747,0]}""")).ToJsonString());
        Assert.Equal("""{"text":["Hello, world!",""]}""", (await demo.PostOkAsync($"{prefix}/detokenize", """{"tokens":[[39,2160,78,11,747,0],[]]}""")).ToJsonString());
        Assert.Equal("""{"text":""}""", (await demo.PostOkAsync($"{prefix}/detokenize", """{"tokens":[]}""")).ToJsonString());
        Assert.StartsWith("<|begin_of_text|>", (string?)(await demo.PostOkAsync($"{prefix}/detokenize", """{"tokens":[4091,39],"skip_special_tokens":false}"""))["text"]);
    }

    [Theory]
    [InlineData("/tokenize", "{}", "Exactly one of prompt and messages must be given.")]
    [InlineData("/tokenize", """{"prompt":"a","messages":[{"role":"user","content":"a"}]}""", "Exactly one of prompt and messages must be given.")]
    [InlineData("/detokenize", "{}", "tokens is required.")]
    [InlineData("/detokenize", """{"tokens":[4096]}""", "tokens must be ids in [0, 4095], got 4096.")]
    public async Task Bad_tokenization_requests(string path, string json, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync(path, json);
        Assert.Equal((400, message), (status, (string?)body!["error"]!["message"]));
    }

    [Fact]
    public async Task The_cache_is_flushed_only_when_idle()
    {
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine is idle");
        using HttpResponseMessage flushed = await demo.Client.PostAsync("/flush_cache?timeout=30", null);
        Assert.Equal(HttpStatusCode.OK, flushed.StatusCode);
        Assert.StartsWith("Cache flushed.", await flushed.Content.ReadAsStringAsync());

        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json("""{"text":"a","stream":true,"sampling_params":{"max_new_tokens":2000,"ignore_eos":true}}""") };
        using (HttpResponseMessage running = await demo.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using HttpResponseMessage busy = await demo.Client.GetAsync("/flush_cache");
            Assert.Equal(HttpStatusCode.BadRequest, busy.StatusCode);
            Assert.StartsWith("Cache not flushed: requests running: 1", await busy.Content.ReadAsStringAsync());
        }
        using HttpResponseMessage bad = await demo.Client.GetAsync("/flush_cache?timeout=soon");
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine is idle");
    }

    [Fact]
    public async Task Keys_guard_the_endpoints()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "user", AdminApiKey = "admin", EnableMetrics = true });
        async Task<int> Status(string? key, string path)
        {
            using HttpClient client = DemoServer.ClientOf(host, key);
            using HttpResponseMessage response = await client.GetAsync(path);
            if ((int)response.StatusCode == 401) Assert.Equal("""{"error":"Unauthorized"}""", await response.Content.ReadAsStringAsync());
            return (int)response.StatusCode;
        }
        async Task<string> Statuses(string path) => string.Join(' ', await Status(null, path), await Status("wrong", path), await Status("user", path), await Status("admin", path));
        Assert.Equal("401 401 200 401", await Statuses("/v1/models"));
        Assert.Equal("401 401 401 200", await Statuses("/flush_cache?timeout=30"));
        foreach (string open in new[] { "/health", "/health_generate", "/metrics" }) Assert.Equal("200 200 200 200", await Statuses(open));
    }

    [Fact]
    public async Task Answers_carry_the_request_id()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
        request.Headers.Add("x-request-id", "abc-1");
        using HttpResponseMessage named = await demo.Client.SendAsync(request);
        Assert.Equal("abc-1", named.Headers.GetValues("x-request-id").Single());
        using HttpResponseMessage unnamed = await demo.Client.GetAsync("/nowhere");
        Assert.Equal(32, unnamed.Headers.GetValues("x-request-id").Single().Length);
    }
}
