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
            JsonArray? tools = chat.Tools;
            if (chat.Rendered is null)
            {
                Assert.Throws<ChatTemplateException>(() => template.Render(chat.Messages, tools, chat.AddGenerationPrompt));
            }
            else
            {
                Assert.Equal(chat.Rendered, template.Render(chat.Messages, tools, chat.AddGenerationPrompt));
            }
        }
    }
}
