using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Protocol;

namespace SgLang.Server.Serving;

/// <summary>The input of /v1/responses as messages of a chat.</summary>
internal static class ResponsesInput
{
    /// <summary>Messages in the form that <see cref="ChatPrompt"/> takes; at least one.</summary>
    /// <exception cref="InvalidRequestException">Of the wrong form, or an item that is no text.</exception>
    public static JsonArray Messages(JsonElement? input)
    {
        switch (input)
        {
            case { ValueKind: JsonValueKind.String } text:
                return [(JsonNode)new JsonObject { ["role"] = "user", ["content"] = NodeOf(text, "input") }];
            case { ValueKind: JsonValueKind.Array } list:
                var messages = new JsonArray();
                int index = 0;
                foreach (JsonElement item in list.EnumerateArray())
                    if (Message(item, $"input[{index++}]") is { } message) messages.Add((JsonNode)message);
                if (messages.Count == 0) throw new InvalidRequestException("input cannot be empty.");
                return messages;
            case null or { ValueKind: JsonValueKind.Null }:
                throw new InvalidRequestException("input is required: a text, or a list of messages.");
            default:
                throw new InvalidRequestException("input must be a text or a list of messages.");
        }
    }

    /// <summary>Null for reasoning of an earlier response, which models do not read again.</summary>
    private static JsonObject? Message(JsonElement item, string path)
    {
        if (item.ValueKind != JsonValueKind.Object) throw new InvalidRequestException($"{path} must be an object.");
        string? type = item.TryGetProperty("type", out JsonElement given) && given.ValueKind == JsonValueKind.String ? (string?)NodeOf(given, $"{path}.type") : null;
        if (type == "reasoning") return null;
        if (type is not (null or "message"))
            throw new InvalidRequestException($"{path}.type must be \"message\" or \"reasoning\" on this server, got \"{type}\".");
        var message = new JsonObject();
        if (item.TryGetProperty("role", out JsonElement role)) message["role"] = NodeOf(role, $"{path}.role");
        if (item.TryGetProperty("content", out JsonElement content)) message["content"] = content.ValueKind == JsonValueKind.Array ? Parts(content, $"{path}.content") : NodeOf(content, $"{path}.content");
        return message;
    }

    private static JsonArray Parts(JsonElement content, string path)
    {
        var parts = new JsonArray();
        int index = 0;
        foreach (JsonElement part in content.EnumerateArray())
        {
            string at = $"{path}[{index++}]";
            bool isText = part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
                && (type.ValueEquals("input_text"u8) || type.ValueEquals("output_text"u8) || type.ValueEquals("text"u8));
            if (!isText) throw new InvalidRequestException($"{at}.type must be \"input_text\" or \"output_text\" on this server.");
            JsonNode? text = part.TryGetProperty("text", out JsonElement value) ? NodeOf(value, $"{at}.text") : null;
            parts.Add((JsonNode)new JsonObject { ["type"] = "text", ["text"] = text });
        }
        return parts;
    }

    /// <summary>Read to the end here, so that text that is none (half of a surrogate pair) is refused by its place.</summary>
    private static JsonNode? NodeOf(JsonElement element, string path)
    {
        try
        {
            return element.ValueKind == JsonValueKind.String ? JsonValue.Create(element.GetString()) : JsonNode.Parse(element.GetRawText(), default, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidRequestException($"{path} must be Unicode text; it has half of a surrogate pair.", e);
        }
        catch (JsonException e)
        {
            throw new InvalidRequestException($"{path} names a field twice.", e);
        }
    }
}
