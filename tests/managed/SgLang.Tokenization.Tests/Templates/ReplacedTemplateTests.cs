using System.Text.Json.Nodes;

namespace SgLang.Tokenization.Tests.Templates;

/// <summary>What --chat-template takes beside Jinja files: names, and .json files in SGLang's form.</summary>
public sealed class ReplacedTemplateTests
{
    private const string Conversation = """[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]""";
    private const string Question = """[{"role": "user", "content": "Hi"}]""";

    private readonly string _directory = TestDirectory.Create("template");

    [Theory]
    [InlineData("chatml", "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")]
    [InlineData("gemma-it", "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n",
        "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n")]
    [InlineData("llama-2", "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]", "[INST] Hi [/INST]")]
    [InlineData("mistral", "[INST] Be brief.\n\nHi [/INST] Hello</s>[INST] Bye [/INST]", "[INST] Hi [/INST]")]
    [InlineData("vicuna_v1.1", "Be brief. USER: Hi ASSISTANT: Hello</s>USER: Bye ASSISTANT:",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. USER: Hi ASSISTANT:")]
    public void Names_render_as_their_models_expect(string name, string conversation, string question)
    {
        Assert.Contains(name, ChatTemplate.BuiltInNames);
        ChatTemplate template = ChatTemplate.Load(_directory, name)!;
        Assert.Equal(conversation, Render(template, Conversation));
        Assert.Equal(question, Render(template, Question));
        Assert.False(template.WantsContentParts);
        Assert.True(template.AddsSpecialTokens);
    }

    [Fact]
    public void Every_name_is_tested_above() => Assert.Equal(["chatml", "gemma-it", "llama-2", "mistral", "vicuna_v1.1"], ChatTemplate.BuiltInNames);

    [Theory]
    [InlineData("CHATML", "SYS\nBe brief.|\nU\nHi|\nA's\nHello|\nU\nBye|\nA's\n", "SYS\n|\nU\nHi|\nA's\n")]
    [InlineData("ADD_NEW_LINE_SINGLE", "SYS\nBe brief.|U\nHi|A's\nHello|U\nBye|A's\n", "SYS\n|U\nHi|A's\n")]
    [InlineData("ADD_COLON_SINGLE", "SYS\nBe brief.|U: Hi|A's: Hello|U: Bye|A's:", "SYS\n|U: Hi|A's:")]
    [InlineData("NO_COLON_SINGLE", "SYS\nBe brief.UHi|A'sHello|UBye|A's", "SYS\nUHi|A's")]
    public void Json_files_render_by_their_style(string style, string conversation, string question)
    {
        ChatTemplate template = Load($$"""{"name": "x", "system": "SYS", "user": "U", "assistant": "A's", "sep_style": "{{style}}", "sep": "|", "stop_str": ["|", "U"]}""");
        Assert.Equal(conversation, Render(template, Conversation));
        Assert.Equal(question, Render(template, Question));
        Assert.Equal(["|", "U"], template.StopStrings);
    }

    [Fact]
    public void Text_of_a_json_file_is_never_read_as_a_template()
    {
        ChatTemplate template = Load("""{"name": "x", "system": "{{ 1 }}\\'", "user": "{% if %}", "assistant": "a\\n", "sep_style": "CHATML", "system_message": "it's", "stop_str": "s"}""");
        Assert.Equal("{{ 1 }}\\'\nit's\n\n{% if %}\nHi\n\na\\n\n", Render(template, Question));
        Assert.Equal(["s"], template.StopStrings);
    }

    [Theory]
    [InlineData("""{"name": "x", "system": "s", "user": "u", "assistant": "a", "sep_style": "LLAMA2"}""", "$.sep_style is \"LLAMA2\"; supported: ADD_COLON_SINGLE, ADD_NEW_LINE_SINGLE, CHATML, NO_COLON_SINGLE")]
    [InlineData("""{"name": "x", "system": "s", "user": "u", "sep_style": "CHATML"}""", "$.assistant is missing")]
    [InlineData("""{"name": "x", "system": "s", "user": "u", "assistant": "a", "sep_style": "CHATML", "stop_str": 5}""", "$.stop_str is 5; a string or a list of strings is expected")]
    [InlineData("[]", "the root is an array")]
    [InlineData("{", "is not valid JSON")]
    public void Damaged_json_files_are_refused_with_the_file_and_the_place(string json, string message)
    {
        var error = Assert.Throws<ChatTemplateException>(() => Load(json));
        Assert.Contains("t.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    private static string Render(ChatTemplate template, string messages) => template.Render(JsonNode.Parse(messages)!.AsArray(), null, addGenerationPrompt: true);

    private ChatTemplate Load(string json)
    {
        string path = Path.Combine(_directory, "t.json");
        File.WriteAllText(path, json);
        return ChatTemplate.Load(_directory, path)!;
    }
}
