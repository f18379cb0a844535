using System.Text.Json.Nodes;

namespace SgLang.Bench.Datasets;

/// <summary>One request to be made, or one conversation of several.</summary>
public sealed record PromptRow
{
    /// <summary>Null where there is no tokenizer to make it with.</summary>
    public string? Text { get; init; }

    /// <summary>Null where there is no tokenizer to make them with.</summary>
    public int[]? Ids { get; init; }

    /// <summary>A conversation in messages, for chat backends; null where the prompt is text or ids.</summary>
    public JsonArray? Messages { get; init; }

    /// <summary>Data URIs of the images beside a text.</summary>
    public IReadOnlyList<string> Images { get; init; } = [];

    /// <summary>The messages that follow each answer, in order; the conversation goes on with the real answers.</summary>
    public IReadOnlyList<JsonArray> LaterTurns { get; init; } = [];

    /// <summary>One message of the user, as a turn.</summary>
    public static JsonArray FromUser(string text) => new(new JsonObject { ["role"] = "user", ["content"] = text });

    /// <summary>Likewise, with images before the text.</summary>
    public static JsonArray FromUser(string text, IReadOnlyList<string> images)
    {
        if (images.Count == 0) return FromUser(text);
        JsonArray content = [];
        foreach (string image in images) content.Add((JsonNode)new JsonObject { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = image } });
        content.Add((JsonNode)new JsonObject { ["type"] = "text", ["text"] = text });
        return new JsonArray(new JsonObject { ["role"] = "user", ["content"] = content });
    }

    /// <summary>Tokens of the prompt as it is sent: of the ids, or of the text once encoded, without those of images. 0 where only the server can count.</summary>
    public required int PromptLength { get; init; }
    public required int OutputLength { get; init; }

    /// <summary>Seconds from the first request at which a trace has it; null where the set has no times.</summary>
    public double? Timestamp { get; init; }

    /// <summary>Merged over the request's body; wins over what holds for all requests.</summary>
    public JsonObject? ExtraBody { get; init; }

    /// <summary>Names its group to a router.</summary>
    public string? RoutingKey { get; init; }
}
