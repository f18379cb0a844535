using System.Text.Json;

namespace SgLang.Protocol;

/// <summary>response_format: text, json_object, or json_schema.</summary>
public sealed record ResponseFormat
{
    public string? Type { get; set; }
    public JsonSchemaFormat? JsonSchema { get; set; }
}

public sealed record JsonSchemaFormat
{
    public string? Name { get; set; }
    public string? Description { get; set; }
    public JsonElement? Schema { get; set; }

    /// <summary>Accepted; schemas are always enforced.</summary>
    public bool? Strict { get; set; }
}
