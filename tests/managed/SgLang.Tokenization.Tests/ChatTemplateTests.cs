using System.Text.Json.Nodes;

namespace SgLang.Tokenization.Tests;

public sealed class ChatTemplateTests
{
    public static TheoryData<string> Names => Golden.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Render_gives_the_reference_text_for_every_golden_chat(string name)
    {
        ChatTemplate? template = ChatTemplate.Load(Golden.Directory(name));
        foreach (GoldenChat chat in Golden.Of(name).Chats)
        {
            if (chat.Error?.Contains("chat_template is not set", StringComparison.Ordinal) ?? false)
            {
                Assert.Null(template);
                continue;
            }

            Assert.NotNull(template);
            if (chat.Rendered is null)
            {
                Assert.Throws<ChatTemplateException>(() => template.Render(chat.Messages, chat.Tools, chat.AddGenerationPrompt));
                continue;
            }

            string rendered = template.Render(chat.Messages, chat.Tools, chat.AddGenerationPrompt);
            Assert.Equal(chat.Rendered, rendered);
            if (chat.Ids is not null)
            {
                Assert.Equal(chat.Ids, Golden.Tokenizer(name).Encode(rendered, addSpecialTokens: false));
            }
        }
    }

    [Theory]
    [InlineData("gemma3", true)]
    [InlineData("qwen3", false)]
    [InlineData("llama3_1", false)]
    [InlineData("demo", false)]
    public void Templates_that_loop_over_content_want_parts(string name, bool wantsParts) =>
        Assert.Equal(wantsParts, ChatTemplate.Load(Golden.Directory(name))!.WantsContentParts);

    [Fact]
    public void Content_reached_through_a_variable_counts_as_content() =>
        Assert.True(ChatTemplate.Parse("{% for m in messages %}{% set c = m['content'] %}{% if c is string %}{{ c }}{% else %}{% for p in c %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}").WantsContentParts);

    [Fact]
    public void What_a_template_raises_is_the_message_as_it_stands()
    {
        ChatTemplate template = ChatTemplate.Parse("a\n{{ raise_exception('Roles must alternate') }}");
        var error = Assert.Throws<ChatTemplateException>(() => template.Render([], null, true));
        Assert.Equal(("Roles must alternate", 2), (error.Message, error.Line));
    }

    [Theory]
    [InlineData("a\nb {{ x.y }}", "line 2: 'x' is undefined")]
    [InlineData("{% for m in messages %}\n\n{{ m.content.nothing() }}{% endfor %}", "line 3: 'str object' has no attribute 'nothing'")]
    public void Errors_name_the_line(string source, string message)
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render([new JsonObject { ["content"] = "c" }], null, true));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_that_does_not_compile_is_refused_with_its_line()
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("\n\n{% if x %}"));
        Assert.Contains("line 3", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x", "does not end")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeply")]
    [InlineData("{% for a in range(99999) %}{{ 'x' * 10000 }}{% endfor %}", "longer than")]
    [InlineData("{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "longer than")]
    public void A_template_cannot_run_for_ever(string source, string message)
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render([], null, true));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_is_refused_rather_than_overflowing_the_stack()
    {
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("{{ " + new string('(', 100_000) + " }}"));
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "x }}"));
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{% if x %}", 100_000))));
        ChatTemplate sum = ChatTemplate.Parse("{{ 1" + string.Concat(Enumerable.Repeat("+1", 100_000)) + " }}");
        Assert.Throws<ChatTemplateException>(() => sum.Render([], null, true));
    }

    [Fact]
    public void Extra_arguments_are_variables()
    {
        ChatTemplate template = ChatTemplate.Load(Golden.Directory("qwen3"))!;
        JsonArray messages = [new JsonObject { ["role"] = "user", ["content"] = "hi" }];
        Assert.EndsWith("<think>\n\n</think>\n\n", template.Render(messages, null, true, new JsonObject { ["enable_thinking"] = false }));
        Assert.EndsWith("assistant\n", template.Render(messages, null, true, new JsonObject { ["enable_thinking"] = true }));
    }

    [Fact]
    public void A_template_file_takes_precedence_and_a_missing_override_is_an_error()
    {
        string directory = TestDirectory.Create("sgl-template-");
        try
        {
            Assert.Null(ChatTemplate.Load(directory));
            File.WriteAllText(Path.Combine(directory, "tokenizer_config.json"), """{"bos_token": {"content": "<b>"}, "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "config {{ bos_token }}"}]}""");
            Assert.Equal("config <b>", ChatTemplate.Load(directory)!.Render([], null, true));
            File.WriteAllText(Path.Combine(directory, "chat_template.jinja"), "file {{ bos_token }}\n");
            Assert.Equal("file <b>", ChatTemplate.Load(directory)!.Render([], null, true));
            Assert.Throws<ChatTemplateException>(() => ChatTemplate.Load(directory, Path.Combine(directory, "none.jinja")));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
