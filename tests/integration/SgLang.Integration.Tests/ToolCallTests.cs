using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

public class ToolCallTests(DemoServer demo)
{
    private const string Path = "/v1/chat/completions";
    private const string Tools = """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string","maxLength":8},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"]}}},{"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{},"additionalProperties":false}}}]""";

    private static string Body(string choice, string more = "") =>
        $$"""{"messages":[{"role":"user","content":"Weather?"}],"max_tokens":160,"temperature":1,"seed":5,"tools":{{Tools}},"tool_choice":{{choice}},"parallel_tool_calls":false{{more}} }""";

    [Theory]
    [InlineData("\"required\"")]
    [InlineData("""{"type":"function","function":{"name":"get_weather"}}""")]
    public async Task A_demanded_call_comes_with_arguments_by_its_schema(string choice)
    {
        JsonNode answer = await demo.PostOkAsync(Path, Body(choice));
        JsonNode message = answer["choices"]![0]!["message"]!;
        JsonNode call = Assert.Single(message["tool_calls"]!.AsArray())!;
        Assert.Equal("tool_calls", (string?)answer["choices"]![0]!["finish_reason"]);
        Assert.Equal("", (string?)message["content"]);
        Check((string)call["function"]!["name"]!, (string)call["function"]!["arguments"]!);
        Assert.StartsWith("call_", (string?)call["id"]);
        if (choice.StartsWith('{')) Assert.Equal("get_weather", (string?)call["function"]!["name"]);
    }

    [Fact]
    public async Task A_stream_brings_the_same_call_in_pieces()
    {
        JsonNode whole = (await demo.PostOkAsync(Path, Body("\"required\"")))["choices"]![0]!["message"]!["tool_calls"]![0]!["function"]!;
        List<JsonNode> events = await demo.StreamAsync(Path, Body("\"required\"", ",\"stream\":true"));
        JsonNode[] pieces = [.. events.SelectMany(e => e["choices"]!.AsArray()).Select(c => c!["delta"]!["tool_calls"]).Where(calls => calls is not null).Select(calls => calls![0]!)];
        Assert.Equal((string?)whole["name"], (string?)pieces[0]["function"]!["name"]);
        Assert.NotNull((string?)pieces[0]["id"]);
        Assert.All(pieces[1..], piece => Assert.Null((string?)piece["id"]));
        Assert.Equal((string?)whole["arguments"], string.Concat(pieces.Select(piece => (string?)piece["function"]!["arguments"])));
        Assert.Equal("tool_calls", (string?)events[^1]["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    public async Task Calls_in_the_models_own_form_are_found()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ToolCallParser = "qwen", ReasoningParser = "qwen3" });
        using HttpClient client = DemoServer.ClientOf(host);
        // A grammar makes the demo model write what a Qwen model would.
        string grammar = JsonValue.Create("root ::= \"<tool_call>\\n{\\\"name\\\": \\\"get_time\\\", \\\"arguments\\\": {\\\"n\\\": \" [0-9] \"}}\\n</tool_call>\"").ToJsonString();
        string body = $$"""{"messages":[{"role":"user","content":"x"}],"max_tokens":160,"tools":{{Tools}},"ebnf":{{grammar}} }""";
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, Path, body);
        Assert.Equal(200, status);
        JsonNode call = answer!["choices"]![0]!["message"]!["tool_calls"]![0]!["function"]!;
        Assert.Equal("get_time", (string?)call["name"]);
        Assert.Matches("""^\{"n": [0-9]\}$""", (string?)call["arguments"]);
        Assert.Equal("tool_calls", (string?)answer["choices"]![0]!["finish_reason"]);
    }

    [Theory]
    [InlineData("", "thought", "word")]
    [InlineData(",\"separate_reasoning\":false", null, "<think>thought</think>word")]
    public async Task Reasoning_is_given_apart(string more, string? reasoning, string content)
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ReasoningParser = "qwen3" });
        using HttpClient client = DemoServer.ClientOf(host);
        string body = $$"""{"messages":[{"role":"user","content":"x"}],"max_tokens":80,"regex":"<think>thought</think>word"{{more}} }""";
        (_, JsonNode? answer) = await DemoServer.PostAsync(client, Path, body);
        JsonNode message = answer!["choices"]![0]!["message"]!;
        Assert.Equal((reasoning, content), ((string?)message["reasoning_content"], (string?)message["content"]));
        List<JsonNode> events = await DemoServer.StreamAsync(client, Path, body.Replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""));
        Assert.Equal(content, string.Concat(events.Select(e => (string?)e["choices"]![0]!["delta"]!["content"])));
        Assert.Equal(reasoning ?? "", string.Concat(events.Select(e => (string?)e["choices"]![0]!["delta"]!["reasoning_content"])));
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"tool_choice":"required"}""", "tool_choice \"required\" needs tools, and the request has none.")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"tool_choice":"perhaps"}""", "tool_choice must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}, got \"perhaps\".")]
    public async Task Choices_that_cannot_be_met_are_refused(string body, string message)
    {
        (int status, JsonNode? answer) = await demo.PostAsync(Path, body);
        Assert.Equal((400, message), (status, (string?)answer!["message"]));
    }

    private static void Check(string name, string arguments)
    {
        JsonNode parsed = JsonNode.Parse(arguments)!;
        if (name == "get_time") Assert.Empty(parsed.AsObject());
        else Assert.InRange((int)parsed["days"]!, 1, 7);
    }
}
