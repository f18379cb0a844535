using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>Bad input gives a clear message and harms nobody else.</summary>
public class BadInputTests(DemoServer demo)
{
    private static string Native(string message) => new JsonObject { ["error"] = new JsonObject { ["message"] = message } }.ToJsonString();

    [Theory]
    [InlineData("""{"max_new_tokens":-1}""", "max_new_tokens must be at least 0, got -1.")]
    [InlineData("""{"min_new_tokens":-1}""", "min_new_tokens must be in [0, max_new_tokens(128)], got -1.")]
    [InlineData("""{"min_new_tokens":9,"max_new_tokens":8}""", "min_new_tokens must be in [0, max_new_tokens(8)], got 9.")]
    [InlineData("""{"temperature":-0.5}""", "temperature must be a non-negative finite number, got -0.5.")]
    [InlineData("""{"temperature":1e999}""", "temperature must be a non-negative finite number, got Infinity.")]
    [InlineData("""{"top_p":0}""", "top_p must be in (0, 1], got 0.")]
    [InlineData("""{"top_p":1.5}""", "top_p must be in (0, 1], got 1.5.")]
    [InlineData("""{"top_k":0}""", "top_k must be -1 (disable) or at least 1, got 0.")]
    [InlineData("""{"top_k":-2}""", "top_k must be -1 (disable) or at least 1, got -2.")]
    [InlineData("""{"min_p":-0.1}""", "min_p must be in [0, 1], got -0.1.")]
    [InlineData("""{"min_p":1.5}""", "min_p must be in [0, 1], got 1.5.")]
    [InlineData("""{"frequency_penalty":3}""", "frequency_penalty must be in [-2, 2], got 3.")]
    [InlineData("""{"presence_penalty":-3}""", "presence_penalty must be in [-2, 2], got -3.")]
    [InlineData("""{"repetition_penalty":0}""", "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 0.")]
    [InlineData("""{"repetition_penalty":2.5}""", "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 2.5.")]
    [InlineData("""{"n":0}""", "n must be at least 1, got 0.")]
    [InlineData("""{"n":1000000}""", "1 prompts times n = 1000000 is more than the 16384 requests one body may hold; send fewer.")]
    [InlineData("""{"stop_regex":"(a"}""", "stop_regex '(a': at character 1: the group has no end.")]
    [InlineData("""{"stop_regex":["b","a*"]}""", "stop_regex 'a*': it matches the empty text, which is found before anything is written.")]
    [InlineData("""{"stop_token_ids":[4096]}""", "stop_token_ids must be in [0, 4095], got 4096.")]
    [InlineData("""{"logit_bias":{"4096":1}}""", "logit_bias must has keys in [0, 4095], got 4096.")]
    [InlineData("""{"regex":"a","ebnf":"b"}""", "Only one of regex, json_schema, or ebnf can be set.")]
    [InlineData("""{"regex":"a("}""", "regex: at character 2: the group has no end.")]
    [InlineData("""{"ebnf":"root ::= x"}""", "ebnf: line 1, column 10: rule 'x' is used but not defined.")]
    [InlineData("""{"json_schema":"{\"not\":{}}"}""", "json_schema: #: \"not\" is not supported; remove it, for it would not be enforced.")]
    [InlineData("""{"regex":"((a{1,100}){1,100}){1,100}b"}""", "regex: the grammar needs more than 1000000 states; use smaller repetition counts and length limits, or fewer alternatives that overlap.")]
    public async Task Sampling_parameters_out_of_range(string sampling, string message)
    {
        foreach (string stream in new[] { "false", "true" })
        {
            (int status, JsonNode? body) = await demo.PostAsync("/generate", $$"""{"text":"a","stream":{{stream}},"sampling_params":{{sampling}}}""");
            Assert.Equal(400, status);
            Assert.Equal(Native(message), body!.ToJsonString());
        }
    }

    [Fact]
    public async Task A_sampling_parameter_that_does_not_exist()
    {
        (int status, JsonNode? body) = await demo.PostAsync("/generate", """{"text":"a","sampling_params":{"max_tokens":4}}""");
        Assert.Equal(400, status);
        Assert.StartsWith("sampling_params has no 'max_tokens'; it may have max_new_tokens, ", (string?)body!["error"]!["message"]);
    }

    [Theory]
    [InlineData("""{}""", "Either text, input_ids or input_embeds should be provided.")]
    [InlineData("""{"text":"a","input_ids":[1]}""", "Either text, input_ids or input_embeds should be provided.")]
    [InlineData("""{"input_ids":[]}""", "input_ids cannot be empty.")]
    [InlineData("""{"input_ids":[[1],[]]}""", "input_ids cannot be empty.")]
    [InlineData("""{"input_ids":[4096]}""", "input_ids must be in [0, 4095], got 4096.")]
    [InlineData("""{"input_ids":[[1],[-1]]}""", "input_ids must be in [0, 4095], got -1.")]
    [InlineData("""{"text":["a","b"],"rid":["x","x"]}""", "rid must not name two requests alike.")]
    [InlineData("""{"text":["a","b"],"rid":["x"]}""", "rid must be a string or a list with one for each of the 2 prompts, got 1.")]
    [InlineData("""{"text":["a","b"],"sampling_params":[{}]}""", "sampling_params must be one object or a list with one for each of the 2 prompts, got 1.")]
    [InlineData("""{"text":["a","b"],"sampling_params":[{"n":1},{"n":2}]}""", "n must be the same in all sampling_params of a batch, got 1 and 2.")]
    [InlineData("""{"input_ids":[1,2],"return_logprob":true,"logprob_start_len":3}""", "logprob_start_len must be -1 or in [0, 2], the prompt's length, got 3.")]
    [InlineData("""{"input_ids":[1,2],"return_logprob":true,"top_logprobs_num":-1}""", "top_logprobs_num must be in [0, 4096], got -1.")]
    public async Task Requests_that_make_no_sense(string json, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync("/generate", json);
        Assert.Equal(400, status);
        Assert.Equal(Native(message), body!.ToJsonString());
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context()
    {
        string ids = $"[{string.Join(',', Enumerable.Repeat(1, 2048))}]";
        foreach (string stream in new[] { "false", "true" })
        {
            (int status, JsonNode? body) = await demo.PostAsync("/generate", $$"""{"input_ids":{{ids}},"stream":{{stream}}}""");
            Assert.Equal(400, status);
            Assert.Equal(Native("The input (2048 tokens) is longer than the model's context length (2048 tokens)."), body!.ToJsonString());
        }
        (int tooMuch, JsonNode? total) = await demo.PostAsync("/generate", """{"input_ids":[1,2,3],"sampling_params":{"max_new_tokens":2046}}""");
        Assert.Equal(400, tooMuch);
        foreach (string number in new[] { "2048", "2049 tokens", "3 tokens", "2046 tokens" }) Assert.Contains(number, (string?)total!["error"]!["message"]);
    }

    [Fact]
    public async Task One_bad_prompt_refuses_its_batch_and_leaves_nothing_running()
    {
        int before = demo.Engine.Stats.UsedTokens;
        (int status, _) = await demo.PostAsync("/generate", """{"input_ids":[[1],[2],[9999]],"sampling_params":{"max_new_tokens":1000,"ignore_eos":true}}""");
        Assert.Equal(400, status);
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 } stats && stats.UsedTokens <= before, "the batch's requests end");
    }

    [Theory]
    [InlineData("/generate", "{\"text\":")]
    [InlineData("/generate", "hello")]
    [InlineData("/v1/completions", "{\"prompt\":\"a\",}")]
    [InlineData("/v1/chat/completions", "{\"messages\":[1")]
    [InlineData("/tokenize", "{")]
    [InlineData("/abort_request", "")]
    public async Task Text_that_is_not_json(string path, string json)
    {
        (int status, JsonNode? body) = await demo.PostAsync(path, json);
        Assert.Equal(400, status);
        Assert.Equal(["object", "message", "type", "param", "code"], body!.AsObject().Select(field => field.Key));
        Assert.Equal("Bad Request", (string?)body["type"]);
        Assert.StartsWith("The request body ", (string?)body["message"]);
    }

    [Fact]
    public async Task A_wrong_type_names_its_field()
    {
        (int status, JsonNode? body) = await demo.PostAsync("/generate", """{"text":"a","sampling_params":{"temperature":"hot"}}""");
        Assert.Equal((400, "sampling_params.temperature must be a number, got a string."), (status, (string?)body!["message"]));
    }

    [Fact]
    public async Task A_body_beyond_the_limit()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { MaxRequestBodyBytes = 4096 });
        using HttpClient client = DemoServer.ClientOf(host);
        (int status, JsonNode? body) = await DemoServer.PostAsync(client, "/generate", $$"""{"text":"{{new string('a', 5000)}}"}""");
        Assert.Equal((413, "The request body is too large."), (status, (string?)body!["message"]));
    }

    [Fact]
    public async Task Unknown_paths_and_methods()
    {
        (int status, JsonNode? body) = await demo.PostAsync("/frobnicate", "{}");
        Assert.Equal((404, "There is no /frobnicate here."), (status, (string?)body!["message"]));
        using HttpResponseMessage response = await demo.Client.GetAsync("/generate");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Contains("/generate does not take GET.", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_rid_in_use()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = DemoServer.Json("""{"text":"a","rid":"taken","stream":true,"sampling_params":{"max_new_tokens":2000,"ignore_eos":true}}"""),
        };
        using HttpResponseMessage running = await demo.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        (int status, JsonNode? body) = await demo.PostAsync("/generate", """{"text":"a","rid":"taken"}""");
        Assert.Equal(400, status);
        Assert.Contains("taken", (string?)body!["error"]!["message"]);
        await demo.PostAsync("/abort_request", """{"rid":"taken"}""");
    }

    [Fact]
    public async Task A_port_in_use()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var options = new ServerOptions { Port = ((IPEndPoint)taken.LocalEndpoint).Port };
        string expected = $"--port: cannot listen on 127.0.0.1:{options.Port}: it is in use by another program; stop that, or choose another --port.";
        Assert.Equal(expected, (await Assert.ThrowsAsync<ServerStartException>(() => ServerHost.CheckAddressAsync(options))).Message);
        Assert.Equal(expected, (await Assert.ThrowsAsync<ServerStartException>(() => ServerHost.StartAsync(demo.Engine, options, NullLoggerFactory.Instance))).Message);
    }
}
