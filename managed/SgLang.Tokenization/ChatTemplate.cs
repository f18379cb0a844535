using System.Text.Json.Nodes;

namespace SgLang.Tokenization;

/// <summary>A model's Jinja chat template, compiled. Immutable and thread safe.</summary>
public sealed class ChatTemplate
{
    /// <summary>
    /// From chat_template.jinja or tokenizer_config.json in <paramref name="directory"/>, or from <paramref name="overridePath"/>. Null where the
    /// model has none. Throws <see cref="ChatTemplateException"/> for one that does not compile.
    /// </summary>
    public static ChatTemplate? Load(string directory, string? overridePath = null) => throw new NotImplementedException();

    /// <summary>Whether the template iterates over a message's content, so that content should be passed as a list of parts.</summary>
    public bool WantsContentParts => throw new NotImplementedException();

    /// <summary>
    /// Renders a conversation. <paramref name="messages"/> is an array of {role, content, ...} objects, <paramref name="tools"/> the request's
    /// tools or null, <paramref name="arguments"/> further template variables. Throws <see cref="ChatTemplateException"/> with the template's own message.
    /// </summary>
    public string Render(JsonArray messages, JsonArray? tools, bool addGenerationPrompt, JsonObject? arguments = null) => throw new NotImplementedException();
}

public sealed class ChatTemplateException(string message, Exception? inner = null) : Exception(message, inner);
