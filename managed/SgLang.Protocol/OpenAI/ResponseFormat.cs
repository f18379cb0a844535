using System.Text.Json;

namespace SgLang.Protocol;

/// <summary>response_format: text, json_object, json_schema, or structural_tag with either structures and triggers or a format.</summary>
public sealed record ResponseFormat
{
    public string? Type { get; set; }
    public JsonSchemaFormat? JsonSchema { get; set; }
    public JsonElement? Structures { get; set; }
    public JsonElement? Triggers { get; set; }
    public JsonElement? Format { get; set; }

    /// <summary>The fields of a structural tag as one JSON text.</summary>
    internal string TagText()
    {
        var fields = new List<string>();
        Add("structures", Structures);
        Add("triggers", Triggers);
        Add("format", Format);
        return $"{{{string.Join(',', fields)}}}";

        void Add(string name, JsonElement? value)
        {
            if (value is { ValueKind: not JsonValueKind.Null } given) fields.Add($"\"{name}\":{given.GetRawText()}");
        }
    }
}

public sealed record JsonSchemaFormat
{
    public string? Name { get; set; }
    public string? Description { get; set; }
    public JsonElement? Schema { get; set; }

    /// <summary>Accepted; schemas are always enforced.</summary>
    public bool? Strict { get; set; }
}
