using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

public class ChatCompletionsTests(DemoServer demo)
{
    private const string Path = "/v1/chat/completions";
    private const string Body = """{"model":"m","messages":[{"role":"user","content":"Hello, world!"}],"max_tokens":9,"temperature":0,"ignore_eos":true""";

    [Fact]
    public async Task The_answer_has_every_field()
    {
        JsonNode answer = await demo.PostOkAsync(Path, Body + ",\"rid\":\"chat1\"}");
        Assert.Equal(["id", "object", "created", "model", "choices", "usage", "metadata"], answer.AsObject().Select(field => field.Key));
        Assert.Equal("chat1", (string?)answer["id"]);
        Assert.Equal("chat.completion", (string?)answer["object"]);
        JsonNode choice = answer["choices"]![0]!;
        Assert.Equal(["index", "message", "logprobs", "finish_reason", "matched_stop"], choice.AsObject().Select(field => field.Key));
        Assert.Equal(["role", "content", "reasoning_content", "tool_calls"], choice["message"]!.AsObject().Select(field => field.Key));
        Assert.Equal("assistant", (string?)choice["message"]!["role"]);
        Assert.Equal("length", (string?)choice["finish_reason"]);
        Assert.Equal(["prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "prompt_tokens_details"], answer["usage"]!.AsObject().Select(field => field.Key));
        Assert.Null(answer["usage"]!["prompt_tokens_details"]);
    }

    [Fact]
    public async Task The_prompt_is_the_rendered_template_without_further_special_tokens()
    {
        JsonNode tokens = await demo.PostOkAsync("/tokenize", """{"messages":[{"role":"user","content":"Hello, world!"}]}""");
        JsonNode answer = await demo.PostOkAsync(Path, Body + ",\"return_prompt_token_ids\":true}");
        Assert.Equal(tokens["tokens"]!.ToJsonString(), answer["prompt_token_ids"]!.ToJsonString());
        int bos = (int)tokens["tokens"]![0]!;
        Assert.Equal(4091, bos);
        Assert.Single(tokens["tokens"]!.AsArray(), id => (int)id! == bos);
        JsonNode byIds = await demo.PostOkAsync(Path, $$"""{"input_ids":{{tokens["tokens"]!.ToJsonString()}},"max_tokens":9,"temperature":0,"ignore_eos":true}""");
        Assert.Equal((string?)answer["choices"]![0]!["message"]!["content"], (string?)byIds["choices"]![0]!["message"]!["content"]);
    }

    [Fact]
    public async Task A_stream_has_role_then_text_then_reason_then_usage()
    {
        string text = (string)(await demo.PostOkAsync(Path, Body + "}"))["choices"]![0]!["message"]!["content"]!;
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        Assert.All(events, e => Assert.Equal("chat.completion.chunk", (string?)e["object"]));
        Assert.Equal("""{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null}""", events[0]["choices"]![0]!["delta"]!.ToJsonString());
        Assert.Equal(text, string.Concat(events[..^1].Select(e => (string?)e["choices"]![0]!["delta"]!["content"])));
        Assert.Equal("length", (string?)events[^2]["choices"]![0]!["finish_reason"]);
        Assert.All(events[..^2], e => Assert.True(e["choices"]![0]!.AsObject().ContainsKey("finish_reason") && e["choices"]![0]!["finish_reason"] is null));
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal(9, (int?)events[^1]["usage"]!["completion_tokens"]);
        Assert.All(events[..^1], e => Assert.True(e.AsObject().ContainsKey("usage") && e["usage"] is null));
    }

    [Fact]
    public async Task Choices_of_a_stream_are_told_apart()
    {
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"n\":2,\"stream\":true}");
        string[] texts = [.. new[] { 0, 1 }.Select(i => string.Concat(events.SelectMany(e => e["choices"]!.AsArray()).Where(c => (int)c!["index"]! == i).Select(c => (string?)c!["delta"]!["content"])))];
        Assert.NotEqual("", texts[0]);
        Assert.Equal(texts[0], texts[1]);
        Assert.Equal(2, events.SelectMany(e => e["choices"]!.AsArray()).Count(c => (string?)c!["delta"]!["role"] == "assistant"));
        Assert.Equal(2, events.SelectMany(e => e["choices"]!.AsArray()).Count(c => c!["finish_reason"] is not null));
    }

    [Fact]
    public async Task Logprobs_list_tokens_with_their_bytes()
    {
        JsonNode answer = await demo.PostOkAsync(Path, Body + ",\"logprobs\":true,\"top_logprobs\":2}");
        JsonArray content = answer["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        Assert.Equal(9, content.Count);
        foreach (JsonNode? token in content)
        {
            Assert.Equal(["token", "bytes", "logprob", "top_logprobs"], token!.AsObject().Select(field => field.Key));
            Assert.True((double)token["logprob"]! <= 0);
            Assert.Equal(2, token["top_logprobs"]!.AsArray().Count);
            Assert.Equal((string?)token["token"], (string?)token["top_logprobs"]![0]!["token"]);
            Assert.Equal(System.Text.Encoding.UTF8.GetBytes((string)token["token"]!).Select(b => (int)b), token["bytes"]!.AsArray().Select(b => (int)b!));
        }
    }

    [Fact]
    public async Task A_stop_is_reported_in_matched_stop()
    {
        string text = (string)(await demo.PostOkAsync(Path, Body + "}"))["choices"]![0]!["message"]!["content"]!;
        string stop = text.Substring(text.Length / 2, 2);
        JsonNode choice = (await demo.PostOkAsync(Path, Body + $",\"stop\":[{JsonValue.Create(stop)!.ToJsonString()}]}}"))["choices"]![0]!;
        Assert.Equal("stop", (string?)choice["finish_reason"]);
        Assert.Equal(stop, (string?)choice["matched_stop"]);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], (string?)choice["message"]!["content"]);
    }

    [Fact]
    public async Task Parts_of_text_are_joined_and_a_final_assistant_message_can_be_continued()
    {
        string Tokens(JsonNode answer) => answer["tokens"]!.ToJsonString();
        JsonNode parts = await demo.PostOkAsync("/tokenize", """{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}""");
        JsonNode joined = await demo.PostOkAsync("/tokenize", """{"messages":[{"role":"user","content":"a b"}]}""");
        Assert.Equal(Tokens(joined), Tokens(parts));

        JsonNode continued = await demo.PostOkAsync(Path,
            """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"My fellow"}],"continue_final_message":true,"max_tokens":1,"return_prompt_token_ids":true}""");
        JsonNode before = await demo.PostOkAsync("/tokenize", """{"messages":[{"role":"user","content":"a"}]}""");
        JsonNode tail = await demo.PostOkAsync("/tokenize", """{"prompt":"My fellow","add_special_tokens":false}""");
        Assert.Equal(before["tokens"]!.AsArray().Concat(tail["tokens"]!.AsArray()).Select(id => (int)id!), continued["prompt_token_ids"]!.AsArray().Select(id => (int)id!));
    }

    [Fact]
    public async Task The_cache_report_counts_cached_tokens()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { EnableCacheReport = true });
        using HttpClient client = DemoServer.ClientOf(host);
        await DemoServer.PostAsync(client, Path, Body + "}");
        (_, JsonNode? answer) = await DemoServer.PostAsync(client, Path, Body + "}");
        Assert.True((int?)answer!["usage"]!["prompt_tokens_details"]!["cached_tokens"] > 0, $"{answer["usage"]}");
    }

    [Theory]
    [InlineData("""{"messages":[]}""", "Messages cannot be empty.")]
    [InlineData("""{}""", "Messages cannot be empty.")]
    [InlineData("""{"messages":"hi"}""", "messages must be a list, got a string.")]
    [InlineData("""{"messages":["hi"]}""", "messages[0] must be an object, got a string.")]
    [InlineData("""{"messages":[{"content":"hi"}]}""", "messages[0].role must be one of system, developer, user, assistant, tool, got none.")]
    [InlineData("""{"messages":[{"role":"king","content":"hi"}]}""", "messages[0].role must be one of system, developer, user, assistant, tool, got \"king\".")]
    [InlineData("""{"messages":[{"role":"user"}]}""", "messages[0].content is required.")]
    [InlineData("""{"messages":[{"role":"user","content":5}]}""", "messages[0].content must be a string or a list of parts, got 5.")]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}""", "messages[0].content[0].type must be \"text\" on this server, got \"image_url\".")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"top_logprobs":3}""", "top_logprobs needs logprobs to be true.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"max_tokens":0}""", "max_tokens must be at least 1, got 0.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"max_completion_tokens":-1}""", "max_completion_tokens must be at least 1, got -1.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"top_p":2,"stream":true}""", "top_p must be in (0, 1], got 2.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"tools":{"a":1}}""", "tools must be a list, got an object.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]}""", "tools[0] must be an object with a function that has a name.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":[]}""", "chat_template_kwargs must be an object, got a list.")]
    public async Task Bad_requests_are_refused(string json, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync(Path, json);
        Assert.Equal(400, status);
        Assert.Equal(message, (string?)body!["message"]);
        Assert.Equal("BadRequestError", (string?)body["type"]);
    }

    [Fact]
    public async Task The_content_type_must_be_json()
    {
        using HttpResponseMessage response = await demo.Client.PostAsync(Path, new StringContent(Body + "}", System.Text.Encoding.UTF8, "text/plain"));
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("Content-Type must be application/json, got 'text/plain; charset=utf-8'.", await response.Content.ReadAsStringAsync());
    }
}
