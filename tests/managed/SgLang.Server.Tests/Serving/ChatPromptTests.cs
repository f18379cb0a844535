using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Serving;
using SgLang.Tokenization;

namespace SgLang.Server.Tests.Serving;

public sealed class ChatPromptTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-template");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;

    private static string Normalized(string json, bool wantsParts = false) => ChatPrompt.Normalize(Json(json), wantsParts).ToJsonString();

    private ChatTemplate Template(string jinja)
    {
        string path = Path.Combine(_directory, "t.jinja");
        File.WriteAllText(path, jinja);
        return ChatTemplate.Load(_directory, path)!;
    }

    [Fact]
    public void Content_is_text_or_parts_as_the_template_wants()
    {
        const string parts = """[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]""";
        Assert.Equal("""[{"role":"user","content":"a b"}]""", Normalized(parts));
        Assert.Equal("""[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]""", Normalized(parts, wantsParts: true));
        Assert.Equal("""[{"role":"user","content":"a"}]""", Normalized("""[{"role":"user","content":"a"}]""", wantsParts: true));
    }

    [Fact]
    public void Nulls_are_left_out_and_absent_content_is_empty()
    {
        Assert.Equal("""[{"role":"assistant","content":""}]""", Normalized("""[{"role":"assistant","content":null,"name":null,"tool_calls":null}]"""));
        Assert.Equal("""[{"role":"assistant","content":""}]""", Normalized("""[{"role":"assistant"}]"""));
    }

    [Fact]
    public void Arguments_of_calls_become_objects()
    {
        Assert.Equal(
            """[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{"x":1}}}],"content":""},{"role":"tool","tool_call_id":"c","content":"5"}]""",
            Normalized("""[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"5"}]"""));
        Assert.Equal("messages[0].tool_calls[0].function.arguments must be JSON text.", Assert.Throws<InvalidRequestException>(
            () => Normalized("""[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{x"}}]}]""")).Message);
    }

    [Theory]
    [InlineData("""[{"role":"user","content":"\ud800"}]""", "messages[0].content must be Unicode text; it has half of a surrogate pair.")]
    [InlineData("""[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":5}]}]""", "messages[1].content[0].text must be a string.")]
    [InlineData("""[{"role":"user","content":["a"]}]""", "messages[0].content[0] must be an object with a type.")]
    [InlineData("""[{"role":"assistant","tool_calls":5}]""", "messages[0].tool_calls must be a list, got 5.")]
    [InlineData("""[{"role":"user","content":"a","x":{"y":1,"y":2}}]""", "messages[0].x names a field twice.")]
    public void What_is_wrong_is_named(string json, string message) => Assert.Equal(message, Assert.Throws<InvalidRequestException>(() => Normalized(json)).Message);

    private const string Simple = "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}{% if add_generation_prompt %}>{% endif %}";

    [Fact]
    public void A_final_assistant_message_is_continued_or_becomes_the_users()
    {
        ChatTemplate template = Template(Simple);
        JsonElement messages = Json("""[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""");
        Assert.Equal("[user:a]>b", ChatPrompt.Render(template, messages, null, null, continueFinalMessage: true));
        Assert.Equal("[user:a][user:b]>", ChatPrompt.Render(template, messages, null, null, continueFinalMessage: false));
    }

    [Fact]
    public void Arguments_reach_the_template()
    {
        ChatTemplate template = Template("{{ mood }}|{{ reasoning_effort }}");
        Assert.Equal("glad|high", ChatPrompt.Render(template, Json("""[{"role":"user","content":"a"}]"""), null, Json("""{"mood":"glad"}"""), false, "high"));
    }

    [Fact]
    public void Tools_are_tried_bare_when_the_template_fails_on_them()
    {
        JsonElement messages = Json("""[{"role":"user","content":"a"}]""");
        JsonElement tools = Json("""[{"type":"function","function":{"name":"f"}}]""");
        Assert.Equal("function f", ChatPrompt.Render(Template("{{ tools[0].type }} {{ tools[0].function.name }}"), messages, tools, null, false));
        Assert.Equal("f", ChatPrompt.Render(Template("{% if tools[0].function is defined %}{{ raise_exception('bare functions wanted') }}{% endif %}{{ tools[0].name }}"), messages, tools, null, false));
        Assert.Throws<ChatTemplateException>(() => ChatPrompt.Render(Template("{{ raise_exception('never') }}"), messages, tools, null, false));
    }

    private static OpenAIPlan Chat(string json, ServerOptions? options = null)
    {
        var body = RequestJson.Parse(System.Text.Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.ChatCompletionRequest);
        return OpenAIPlan.ForChat(
            body, [1, 2], new ChatForm(body, null, null, null), new SamplingParams { Temperature = 0.6, TopK = 20 }, NativePlanTests.Facts(), options ?? new ServerOptions());
    }

    [Fact]
    public void Chats_take_the_models_sampling_defaults_unless_told_otherwise()
    {
        SamplingParams model = Chat("{}").Items[0].Request.Sampling;
        Assert.Equal((0.6, 20, null), (model.Temperature, model.TopK, model.MaxNewTokens));
        SamplingParams fixedOnes = Chat("{}", new ServerOptions { SamplingDefaultsFromModel = false }).Items[0].Request.Sampling;
        Assert.Equal((1.0, -1), (fixedOnes.Temperature, fixedOnes.TopK));
        Assert.Equal(0.1, Chat("""{"temperature":0.1}""").Items[0].Request.Sampling.Temperature);
    }

    [Fact]
    public void The_newer_name_of_the_limit_wins()
    {
        Assert.Equal(5, Chat("""{"max_tokens":9,"max_completion_tokens":5}""").Items[0].Request.Sampling.MaxNewTokens);
    }

    [Fact]
    public void Usage_is_included_when_asked_for_or_by_default_of_the_server()
    {
        var always = new ServerOptions { StreamResponseDefaultIncludeUsage = true };
        Assert.False(Chat("""{"stream":true}""").IncludeUsage);
        Assert.True(Chat("""{"stream":true,"stream_options":{"include_usage":true}}""").IncludeUsage);
        Assert.True(Chat("""{"stream":true}""", always).IncludeUsage);
        Assert.False(Chat("""{"stream":true,"stream_options":{"include_usage":false}}""", always).IncludeUsage);
    }
}
