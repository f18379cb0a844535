using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Protocol;
using SgLang.Tokenization;

namespace SgLang.Server.Serving;

/// <summary>The prompt of a conversation: messages brought into the form templates expect, rendered, and what is to be continued.</summary>
internal static class ChatPrompt
{
    private static readonly string[] s_roles = ["system", "developer", "user", "assistant", "tool"];

    /// <summary>The ids of a chat's prompt and the text they are of; no text where the ids came in its place.</summary>
    /// <exception cref="InvalidRequestException">The server has no template or tokenizer, or a message is of the wrong form.</exception>
    public static (int[] Ids, string? Text) Encode(ServingContext serving, ChatCompletionRequest body, ServingFacts facts)
    {
        if (body.InputIds is { } ids) return ids.Length > 0 ? (ids, null) : throw new InvalidRequestException("input_ids cannot be empty.");
        if (serving.Engine.ChatTemplate is not { } template)
        {
            throw new InvalidRequestException(facts.Encode is null
                ? "messages needs a tokenizer, and this server runs without one; send input_ids instead."
                : "The model has no chat template; start the server with --chat-template, or use /v1/completions.");
        }
        bool wantsTools = body.ToolChoice is not { ValueKind: JsonValueKind.String } choice || !choice.ValueEquals("none"u8);
        string text = Render(template, body.Messages, wantsTools ? body.Tools : null, body.ChatTemplateKwargs, body.ContinueFinalMessage ?? false, body.ReasoningEffort);
        return (facts.EncodeText(text, template.AddsSpecialTokens, "messages"), text);
    }

    /// <summary>Text to encode; a model's own template writes its special tokens itself.</summary>
    /// <exception cref="InvalidRequestException">A message of the wrong form.</exception>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    public static string Render(ChatTemplate template, JsonElement? messages, JsonElement? tools, JsonElement? arguments, bool continueFinalMessage, string? reasoningEffort = null)
    {
        JsonArray conversation = Normalize(messages, template.WantsContentParts);
        string continued = TakeFinalAssistantMessage(conversation, continueFinalMessage);
        JsonObject? variables = Variables(arguments, reasoningEffort);
        JsonArray? toolList = Tools(tools);
        try
        {
            return template.Render(conversation, toolList, addGenerationPrompt: true, variables) + continued;
        }
        catch (ChatTemplateException) when (toolList is not null && BareFunctions(toolList) is { } functions)
        {
            // Some templates take the function objects themselves.
            return template.Render(conversation, functions, addGenerationPrompt: true, variables) + continued;
        }
    }

    /// <summary>
    /// Messages as templates read them: content is a string, or a list of parts where the template iterates over parts; arguments of tool calls are
    /// objects; fields that are null are left out.
    /// </summary>
    internal static JsonArray Normalize(JsonElement? messages, bool wantsParts)
    {
        if (messages is not { } list || list.ValueKind == JsonValueKind.Null) throw new InvalidRequestException("Messages cannot be empty.");
        if (list.ValueKind != JsonValueKind.Array) throw new InvalidRequestException($"messages must be a list, got {Name(list)}.");
        if (list.GetArrayLength() == 0) throw new InvalidRequestException("Messages cannot be empty.");
        var normalized = new JsonArray();
        int index = 0;
        foreach (JsonElement message in list.EnumerateArray()) normalized.Add((JsonNode)NormalizeOne(message, $"messages[{index++}]", wantsParts));
        return normalized;
    }

    private static JsonObject NormalizeOne(JsonElement message, string path, bool wantsParts)
    {
        if (message.ValueKind != JsonValueKind.Object) throw new InvalidRequestException($"{path} must be an object, got {Name(message)}.");
        if (!message.TryGetProperty("role", out JsonElement role) || role.ValueKind != JsonValueKind.String || !s_roles.Contains(role.GetString()))
        {
            string seen = role.ValueKind == JsonValueKind.Undefined ? "none" : role.GetRawText();
            throw new InvalidRequestException($"{path}.role must be one of {string.Join(", ", s_roles)}, got {seen}.");
        }
        var copy = new JsonObject();
        foreach (JsonProperty field in message.EnumerateObject())
        {
            if (field.Value.ValueKind == JsonValueKind.Null || field.NameEquals("content"u8)) continue;
            copy[field.Name] = field.NameEquals("tool_calls"u8) ? ToolCalls(field.Value, $"{path}.tool_calls") : NodeOf(field.Value, $"{path}.{field.Name}");
        }
        bool mayLackContent = role.ValueEquals("assistant"u8) || role.ValueEquals("tool"u8);
        if (!message.TryGetProperty("content", out JsonElement content))
        {
            if (!mayLackContent) throw new InvalidRequestException($"{path}.content is required.");
        }
        copy["content"] = Content(content, $"{path}.content", wantsParts);
        return copy;
    }

    private static JsonNode Content(JsonElement content, string path, bool wantsParts)
    {
        switch (content.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return "";
            case JsonValueKind.String:
                return TextOf(content, path);
            case JsonValueKind.Array:
                break;
            default:
                throw new InvalidRequestException($"{path} must be a string or a list of parts, got {Name(content)}.");
        }
        var parts = new JsonArray();
        var texts = new List<string>();
        int index = 0;
        foreach (JsonElement part in content.EnumerateArray())
        {
            string at = $"{path}[{index++}]";
            if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out JsonElement type) || type.ValueKind != JsonValueKind.String)
                throw new InvalidRequestException($"{at} must be an object with a type.");
            if (!type.ValueEquals("text"u8)) throw new InvalidRequestException($"{at}.type must be \"text\" on this server, got {type.GetRawText()}.");
            if (!part.TryGetProperty("text", out JsonElement text) || text.ValueKind != JsonValueKind.String) throw new InvalidRequestException($"{at}.text must be a string.");
            string value = TextOf(text, $"{at}.text");
            texts.Add(value);
            parts.Add((JsonNode)new JsonObject { ["type"] = "text", ["text"] = value });
        }
        return wantsParts ? parts : string.Join(' ', texts);
    }

    /// <summary>Clients send the arguments of a call as text; templates write them as JSON of their own.</summary>
    private static JsonNode ToolCalls(JsonElement calls, string path)
    {
        if (calls.ValueKind != JsonValueKind.Array) throw new InvalidRequestException($"{path} must be a list, got {Name(calls)}.");
        JsonArray copy = (JsonArray)NodeOf(calls, path)!;
        for (int i = 0; i < copy.Count; i++)
        {
            if (copy[i] is not JsonObject call) throw new InvalidRequestException($"{path}[{i}] must be an object.");
            if (call["function"] is not JsonObject function || function["arguments"] is not JsonValue value || !value.TryGetValue(out string? text)) continue;
            try
            {
                function["arguments"] = text.Length == 0 ? new JsonObject() : JsonNode.Parse(text);
            }
            catch (JsonException e)
            {
                throw new InvalidRequestException($"{path}[{i}].function.arguments must be JSON text.", e);
            }
        }
        return copy;
    }

    /// <summary>
    /// A conversation that ends with the assistant's words: they are taken off and continued as they stand, or, without
    /// continue_final_message, the message becomes the user's, as the original does.
    /// </summary>
    private static string TakeFinalAssistantMessage(JsonArray conversation, bool continueIt)
    {
        if (conversation[^1] is not JsonObject last || (string?)last["role"] != "assistant") return "";
        if (!continueIt)
        {
            last["role"] = "user";
            return "";
        }
        string text = last["content"] is JsonArray parts ? string.Join(' ', parts.Select(part => (string?)part?["text"])) : (string?)last["content"] ?? "";
        conversation.RemoveAt(conversation.Count - 1);
        return text;
    }

    private static JsonObject? Variables(JsonElement? arguments, string? reasoningEffort)
    {
        JsonObject? variables = arguments switch
        {
            null or { ValueKind: JsonValueKind.Null } => null,
            { ValueKind: JsonValueKind.Object } given => (JsonObject)NodeOf(given, "chat_template_kwargs")!,
            { } other => throw new InvalidRequestException($"chat_template_kwargs must be an object, got {Name(other)}."),
        };
        if (reasoningEffort is null) return variables;
        variables ??= [];
        variables.TryAdd("reasoning_effort", reasoningEffort);
        return variables;
    }

    private static JsonArray? Tools(JsonElement? tools)
    {
        switch (tools)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return null;
            case { ValueKind: JsonValueKind.Array } list:
                if (list.GetArrayLength() == 0) return null;
                int index = 0;
                foreach (JsonElement tool in list.EnumerateArray())
                {
                    bool isFunction = tool.ValueKind == JsonValueKind.Object && tool.TryGetProperty("function", out JsonElement function)
                        && function.ValueKind == JsonValueKind.Object && function.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String;
                    if (!isFunction) throw new InvalidRequestException($"tools[{index}] must be an object with a function that has a name.");
                    index++;
                }
                return (JsonArray)NodeOf(list, "tools")!;
            case { } other:
                throw new InvalidRequestException($"tools must be a list, got {Name(other)}.");
        }
    }

    private static JsonArray BareFunctions(JsonArray tools) => new([.. tools.Select(tool => tool!["function"]!.DeepClone())]);

    /// <summary>A tree of its own, whose strings are all sound Unicode.</summary>
    private static JsonNode? NodeOf(JsonElement element, string path)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.Object => new JsonObject(element.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, NodeOf(p.Value, $"{path}.{p.Name}")))),
                JsonValueKind.Array => new JsonArray([.. element.EnumerateArray().Select((item, i) => NodeOf(item, $"{path}[{i}]"))]),
                JsonValueKind.String => JsonValue.Create(TextOf(element, path)),
                JsonValueKind.Null => null,
                _ => JsonValue.Create(element),
            };
        }
        catch (ArgumentException e)
        {
            throw new InvalidRequestException($"{path} names a field twice.", e);
        }
    }

    private static string TextOf(JsonElement element, string path)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidRequestException($"{path} must be Unicode text; it has half of a surrogate pair.", e);
        }
    }

    private static string Name(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        _ => element.GetRawText(),
    };
}
