using System.ClientModel;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Responses;

namespace SgLang.Integration.Tests;

/// <summary>/v1/responses, by the official client and by its bare JSON.</summary>
public sealed class ResponsesTests(DemoServer demo)
{
    private const string Path = "/v1/responses";

#pragma warning disable OPENAI001 // The client marks its class as one that may change.
    private ResponsesClient Client() => new(
        new ApiKeyCredential("none"), new ResponsesClientOptions { Endpoint = new Uri(demo.Host.Address, "v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) });

    private static CreateResponseOptions Options(string text, int tokens = 12)
    {
        var options = new CreateResponseOptions { Model = "m", Temperature = 0, MaxOutputTokenCount = tokens };
        options.InputItems.Add(ResponseItem.CreateUserMessageItem(text));
        return options;
    }

    private async Task<string> ChatTextAsync(string messages, int tokens) =>
        (string)(await demo.PostOkAsync("/v1/chat/completions", $$"""{"messages":{{messages}},"temperature":0,"max_tokens":{{tokens}}}"""))["choices"]![0]!["message"]!["content"]!;

    [Fact]
    public async Task The_client_gets_the_text_of_a_chat_with_the_same_messages()
    {
        CreateResponseOptions options = Options("Hello, world!");
        options.Instructions = "Be brief.";
        ResponseResult response = await Client().CreateResponseAsync(options);
        string expected = await ChatTextAsync("""[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello, world!"}]""", 12);
        Assert.Equal(expected, response.GetOutputText());
        Assert.Contains(response.Status, new ResponseStatus?[] { ResponseStatus.Completed, ResponseStatus.Incomplete });
        Assert.InRange(response.Usage.OutputTokenCount, 1, 12);
        Assert.Equal(response.Usage.TotalTokenCount, response.Usage.InputTokenCount + response.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task The_client_streams_the_same_text_and_sees_every_event_in_order()
    {
        ResponseResult whole = await Client().CreateResponseAsync(Options("Hello, world!"));
        var text = new StringBuilder();
        var kinds = new List<string>();
        ResponseResult? last = null;
        CreateResponseOptions options = Options("Hello, world!");
        options.StreamingEnabled = true;
        int sequence = 0;
        await foreach (StreamingResponseUpdate update in await Client().CreateResponseStreamingAsync(options))
        {
            Assert.Equal(sequence++, update.SequenceNumber);
            kinds.Add(update.GetType().Name);
            if (update is StreamingResponseOutputTextDeltaUpdate delta) text.Append(delta.Delta);
            if (update is StreamingResponseCompletedUpdate completed) last = completed.Response;
            if (update is StreamingResponseIncompleteUpdate incomplete) last = incomplete.Response;
        }
        Assert.Equal(whole.GetOutputText(), text.ToString());
        Assert.Equal(whole.GetOutputText(), last!.GetOutputText());
        Assert.Equal(whole.Usage.OutputTokenCount, last.Usage.OutputTokenCount);
        string[] head = [nameof(StreamingResponseCreatedUpdate), nameof(StreamingResponseInProgressUpdate), nameof(StreamingResponseOutputItemAddedUpdate), nameof(StreamingResponseContentPartAddedUpdate)];
        Assert.Equal(head, kinds.Take(4));
        Assert.Equal([nameof(StreamingResponseOutputTextDoneUpdate), nameof(StreamingResponseContentPartDoneUpdate), nameof(StreamingResponseOutputItemDoneUpdate)], kinds.SkipLast(1).TakeLast(3));
        Assert.All(kinds.Skip(4).SkipLast(4), kind => Assert.Equal(nameof(StreamingResponseOutputTextDeltaUpdate), kind));
    }

    [Fact]
    public async Task A_conversation_goes_on_from_a_stored_response_without_its_instructions()
    {
        CreateResponseOptions first = Options("Hello, world!", 6);
        first.Instructions = "Be brief.";
        ResponseResult one = await Client().CreateResponseAsync(first);
        CreateResponseOptions second = Options("And then?", 8);
        second.PreviousResponseId = one.Id;
        ResponseResult two = await Client().CreateResponseAsync(second);
        CreateResponseOptions third = Options("Why?", 8);
        third.PreviousResponseId = two.Id;
        ResponseResult three = await Client().CreateResponseAsync(third);
        JsonArray messages =
        [
            Message("user", "Hello, world!"), Message("assistant", one.GetOutputText()), Message("user", "And then?"), Message("assistant", two.GetOutputText()), Message("user", "Why?"),
        ];
        Assert.Equal(await ChatTextAsync(messages.ToJsonString(), 8), three.GetOutputText());
        Assert.Equal(two.Id, three.PreviousResponseId);
        ResponseResult again = await Client().GetResponseAsync(two.Id);
        Assert.Equal(two.GetOutputText(), again.GetOutputText());

        static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
    }

    [Fact]
    public async Task The_client_starts_polls_and_cancels_a_background_response()
    {
        CreateResponseOptions options = Options("Hello, world!", 6);
        options.BackgroundModeEnabled = true;
        ResponseResult response = await Client().CreateResponseAsync(options);
        await DemoServer.Eventually(() => Client().GetResponse(response.Id).Value.Status is ResponseStatus.Completed or ResponseStatus.Incomplete, "the response ends");
        Assert.Equal((await Client().CreateResponseAsync(Options("Hello, world!", 6))).Value.GetOutputText(), (await Client().GetResponseAsync(response.Id)).Value.GetOutputText());

        JsonNode started = await demo.PostOkAsync(Path, """{"input":"Hello, world!","background":true,"ignore_eos":true}""");
        ResponseResult cancelled = await Client().CancelResponseAsync((string)started["id"]!);
        Assert.Equal(ResponseStatus.Cancelled, cancelled.Status);
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine has dropped it");
        Assert.Equal("cancelled", (string?)(await demo.GetOkAsync($"{Path}/{started["id"]}"))["status"]);
    }
#pragma warning restore OPENAI001

    [Fact]
    public async Task The_body_has_what_the_api_names()
    {
        JsonNode body = await demo.PostOkAsync(Path, """
            {"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"Hello,"},{"type":"input_text","text":"world!"}]},{"type":"reasoning","id":"rs_1","summary":[]}],
             "temperature":0,"max_output_tokens":4,"ignore_eos":true,"metadata":{"a":"b"},"instructions":"Be brief.","store":false,"user":"u","include":["message.output_text.logprobs"],"top_logprobs":2}
            """);
        Assert.StartsWith("resp_", (string?)body["id"]);
        Assert.Equal(("response", "incomplete", "max_output_tokens", "m"), ((string?)body["object"], (string?)body["status"], (string?)body["incomplete_details"]!["reason"], (string?)body["model"]));
        Assert.Equal(("b", "u", "text", "auto", "disabled"), ((string?)body["metadata"]!["a"], (string?)body["user"], (string?)body["text"]!["format"]!["type"], (string?)body["tool_choice"], (string?)body["truncation"]));
        JsonNode message = Assert.Single(body["output"]!.AsArray())!;
        Assert.Equal(("message", "assistant", "incomplete"), ((string?)message["type"], (string?)message["role"], (string?)message["status"]));
        JsonNode content = Assert.Single(message["content"]!.AsArray())!;
        Assert.Equal("output_text", (string?)content["type"]);
        Assert.Equal(4, content["logprobs"]!.AsArray().Count);
        Assert.All(content["logprobs"]!.AsArray(), token => Assert.Equal(2, token!["top_logprobs"]!.AsArray().Count));
        Assert.Equal("Be brief.", (string?)body["instructions"]);
        foreach (string name in new[] { "error", "previous_response_id" }) Assert.True(body.AsObject().ContainsKey(name), name);
        JsonNode usage = body["usage"]!;
        Assert.Equal((4, 0), ((int)usage["output_tokens"]!, (int)usage["output_tokens_details"]!["reasoning_tokens"]!));
        Assert.True((int)usage["input_tokens_details"]!["cached_tokens"]! >= 0);
        Assert.Equal(404, (int)(await demo.Client.GetAsync($"{Path}/{body["id"]}")).StatusCode);
    }

    [Fact]
    public async Task A_schema_in_text_format_is_enforced()
    {
        JsonNode body = await demo.PostOkAsync(Path, """
            {"input":"Hello","temperature":0.7,"max_output_tokens":200,"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":9}},"required":["a"],"additionalProperties":false}}}}
            """);
        JsonNode answer = JsonNode.Parse((string)body["output"]![0]!["content"]![0]!["text"]!)!;
        Assert.InRange((int)answer["a"]!, 0, 9);
    }

    [Fact]
    public async Task Reasoning_is_an_item_of_its_own_in_both_forms()
    {
        await using Server.ServerHost host = await demo.StartHostAsync(new Server.ServerOptions { ReasoningParser = "qwen3-thinking" });
        using HttpClient client = DemoServer.ClientOf(host);
        const string Body = """{"input":"Hello","regex":"a{3}</think>b{3}","temperature":0,"max_output_tokens":40,"stream":false}""";
        (int status, JsonNode? whole) = await DemoServer.PostAsync(client, Path, Body);
        Assert.Equal(200, status);
        List<JsonNode> events = [];
        using HttpResponseMessage response = await client.PostAsync(Path, DemoServer.Json(Body.Replace("\"stream\":false", "\"stream\":true")));
        string[] lines = (await response.Content.ReadAsStringAsync()).Split('\n');
        for (int i = 0; i + 1 < lines.Length; i += 3)
        {
            JsonNode data = JsonNode.Parse(lines[i + 1]["data: ".Length..])!;
            Assert.Equal($"event: {data["type"]}", lines[i]);
            Assert.Equal(events.Count, (int)data["sequence_number"]!);
            events.Add(data);
        }
        JsonNode last = events[^1]["response"]!;
        foreach (JsonNode body in new[] { whole!, last })
        {
            Assert.Equal("reasoning", (string?)body["output"]![0]!["type"]);
            Assert.NotEqual("", (string?)body["output"]![0]!["content"]![0]!["text"]);
        }
        Assert.Equal((string?)whole!["output"]![0]!["content"]![0]!["text"], (string?)last["output"]![0]!["content"]![0]!["text"]);
        string streamed = string.Concat(events.Where(e => (string?)e["type"] == "response.reasoning_text.delta").Select(e => (string?)e["delta"]));
        Assert.Equal((string?)last["output"]![0]!["content"]![0]!["text"], streamed);
    }

    [Fact]
    public async Task A_deleted_response_is_gone()
    {
        string id = (string)(await demo.PostOkAsync(Path, """{"input":"Hello","max_output_tokens":2}"""))["id"]!;
        using HttpResponseMessage deleted = await demo.Client.DeleteAsync($"{Path}/{id}");
        Assert.Equal(HttpStatusCode.OK, deleted.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await demo.Client.DeleteAsync($"{Path}/{id}")).StatusCode);
        (int status, JsonNode? body) = await demo.PostAsync(Path, $$"""{"input":"Hello","previous_response_id":"{{id}}"}""");
        Assert.Equal((404, $"Response with id '{id}' not found."), (status, (string?)body!["message"]));
        Assert.Equal(404, (await demo.PostAsync($"{Path}/{id}/cancel", "")).Status);
    }

    [Fact]
    public async Task Only_a_background_response_can_be_cancelled()
    {
        string id = (string)(await demo.PostOkAsync(Path, """{"input":"Hello","max_output_tokens":2}"""))["id"]!;
        (int status, JsonNode? body) = await demo.PostAsync($"{Path}/{id}/cancel", "");
        Assert.Equal((400, "Only a response with background can be cancelled; close the connection of any other."), (status, (string?)body!["message"]));
    }

    [Theory]
    [InlineData("""{}""", "input is required: a text, or a list of messages.")]
    [InlineData("""{"input":7}""", "input must be a text or a list of messages.")]
    [InlineData("""{"input":[]}""", "input cannot be empty.")]
    [InlineData("""{"input":["a"]}""", "input[0] must be an object.")]
    [InlineData("""{"input":[{"type":"function_call_output","call_id":"c","output":"1"}]}""", "input[0].type must be \"message\" or \"reasoning\" on this server, got \"function_call_output\".")]
    [InlineData("""{"input":[{"role":"user","content":[{"type":"input_image","image_url":"u"}]}]}""", "input[0].content[0].type must be \"input_text\" or \"output_text\" on this server.")]
    [InlineData("""{"input":[{"role":"king","content":"a"}]}""", "messages[0].role must be one of system, developer, user, assistant, tool, got \"king\".")]
    [InlineData("""{"input":"a","max_output_tokens":0}""", "max_output_tokens must be at least 1, got 0.")]
    [InlineData("""{"input":"a","tools":[{"type":"web_search"}]}""", "tools are not served by /v1/responses on this server; use /v1/chat/completions for tool calls.")]
    [InlineData("""{"input":"a","tool_choice":"required"}""", "tool_choice must be \"auto\" or \"none\": tools are not served by /v1/responses on this server.")]
    [InlineData("""{"input":"a","truncation":"auto"}""", "truncation must be \"disabled\" on this server, got \"auto\": input that is too long is refused.")]
    [InlineData("""{"input":"a","include":["file_search_call.results"]}""", "include must be a list of \"message.output_text.logprobs\" and \"reasoning.encrypted_content\" on this server, got \"file_search_call.results\".")]
    [InlineData("""{"input":"a","n":2}""", "n must be 1: a response is one answer, got 2.")]
    [InlineData("""{"input":"a","background":true,"store":false}""", "background needs store: the result could not be asked for.")]
    [InlineData("""{"input":"a","background":true,"stream":true}""", "background and stream exclude each other on this server.")]
    [InlineData("""{"input":"a","conversation":"c"}""", "conversation is not supported by this server; remove it from the request.")]
    [InlineData("""{"input":"a","response_format":{"type":"json_object"}}""", "response_format is text.format in this API; rename it.")]
    [InlineData("""{"input":"a","text":{"format":{"type":"json_schema","name":"n"}}}""", "text.format.schema is required for a format of type \"json_schema\".")]
    [InlineData("""{"input":"a","temperature":-1}""", "temperature must be a non-negative finite number, got -1.")]
    public async Task What_is_not_served_is_refused(string request, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync(Path, request);
        Assert.Equal((400, message), (status, (string?)body!["message"]));
    }
}
