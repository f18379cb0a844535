using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>/separate_reasoning, /parse_function_call, and what a chat counts as reasoning.</summary>
public sealed class ParserEndpointsTests(DemoServer demo)
{
    private const string Tools = """[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}},{"type":"function","function":{"name":"time"}}]""";

    [Fact]
    public async Task Reasoning_is_separated()
    {
        JsonNode tagged = await demo.PostOkAsync("/separate_reasoning", """{"text":"<think>a b</think>\n\nc","reasoning_parser":"qwen3"}""");
        Assert.Equal("""{"reasoning_text":"a b","text":"c"}""", tagged.ToJsonString());
        JsonNode silent = await demo.PostOkAsync("/separate_reasoning", """{"text":"a</think>c","reasoning_parser":"deepseek-r1"}""");
        Assert.Equal("""{"reasoning_text":"a","text":"c"}""", silent.ToJsonString());
        JsonNode none = await demo.PostOkAsync("/separate_reasoning", """{"text":"c","reasoning_parser":"qwen3"}""");
        Assert.Equal("""{"reasoning_text":"","text":"c"}""", none.ToJsonString());
    }

    [Fact]
    public async Task Function_calls_are_found_with_the_place_of_their_tool()
    {
        const string text = "Well.\\n<tool_call>\\n{\\\"name\\\": \\\"time\\\", \\\"arguments\\\": {\\\"zone\\\": 1}}\\n</tool_call>";
        JsonNode found = await demo.PostOkAsync("/parse_function_call", $$"""{"text":"{{text}}","tool_call_parser":"qwen","tools":{{Tools}}}""");
        Assert.Equal("Well.", (string?)found["normal_text"]);
        JsonNode call = Assert.Single(found["calls"]!.AsArray())!;
        Assert.Equal((1, "time"), ((int)call["tool_index"]!, (string?)call["name"]));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"zone":1}"""), JsonNode.Parse((string)call["parameters"]!)), $"{call}");
        JsonNode nothing = await demo.PostOkAsync("/parse_function_call", $$"""{"text":"Well.","tool_call_parser":"llama3","tools":{{Tools}}}""");
        Assert.Equal("""{"normal_text":"Well.","calls":[]}""", nothing.ToJsonString());
    }

    [Theory]
    [InlineData("/separate_reasoning", "{}", "text is required.")]
    [InlineData("/separate_reasoning", """{"text":"a"}""", "reasoning_parser is required: the server was started without one; use one of deepseek-r1, deepseek-v3, qwen3, qwen3-thinking.")]
    [InlineData("/separate_reasoning", """{"text":"a","reasoning_parser":"x"}""", "reasoning_parser must be one of deepseek-r1, deepseek-v3, qwen3, qwen3-thinking, got x.")]
    [InlineData("/parse_function_call", "{}", "text is required.")]
    [InlineData("/parse_function_call", """{"text":"a","tool_call_parser":"qwen"}""", "tools is required: only calls of the functions it names are found.")]
    [InlineData("/parse_function_call", """{"text":"a","tools":[]}""", "tool_call_parser is required: the server was started without one; use one of llama3, qwen, qwen25, qwen3, hermes, deepseekv3, deepseekv31.")]
    public async Task What_is_missing_is_named(string path, string json, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync(path, json);
        Assert.Equal((400, message), (status, (string?)body!["error"]!["message"]));
    }

    [Fact]
    public async Task Usage_counts_reasoning_with_a_parser_only()
    {
        const string body = """{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"temperature":0,"ignore_eos":true""";
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ReasoningParser = "deepseek-r1" });
        using HttpClient client = DemoServer.ClientOf(host);
        // The model knows no tags, so with this parser all it says is reasoning.
        (_, JsonNode? whole) = await DemoServer.PostAsync(client, "/v1/chat/completions", body + "}");
        Assert.Equal(9, (int?)whole!["usage"]!["reasoning_tokens"]);
        List<JsonNode> events = await DemoServer.StreamAsync(client, "/v1/chat/completions", body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        Assert.Equal(9, (int?)events[^1]["usage"]!["reasoning_tokens"]);
        const string native = """{"text":"a","sampling_params":{"max_new_tokens":9,"temperature":0,"ignore_eos":true}""";
        (_, JsonNode? generated) = await DemoServer.PostAsync(client, "/generate", native + "}");
        Assert.Equal(9, (int?)generated!["meta_info"]!["reasoning_tokens"]);
        events = await DemoServer.StreamAsync(client, "/generate", native + ",\"stream\":true}");
        // Tokens that have not ended a character are not yet known to be reasoning.
        Assert.All(events, e => Assert.InRange((int)e["meta_info"]!["reasoning_tokens"]!, 0, (int)e["meta_info"]!["completion_tokens"]!));
        Assert.Equal(9, (int?)events[^1]["meta_info"]!["reasoning_tokens"]);
        // A prompt that closes the thinking turns the parser off.
        (_, JsonNode? closed) = await DemoServer.PostAsync(client, "/generate", native.Replace("\"a\"", "\"a</think>\"", StringComparison.Ordinal) + "}");
        Assert.Equal(0, (int?)closed!["meta_info"]!["reasoning_tokens"]);
        JsonNode without = await demo.PostOkAsync("/v1/chat/completions", body + "}");
        Assert.Equal(0, (int?)without["usage"]!["reasoning_tokens"]);
    }
}
