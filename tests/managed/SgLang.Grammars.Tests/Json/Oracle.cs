using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NJsonSchema;

namespace SgLang.Grammars.Tests.Json;

/// <summary>NJsonSchema as the judge. It reads draft 4, so newer words are put in its terms first.</summary>
internal static class Oracle
{
    public static Task<JsonSchema> OfAsync(string schema) => JsonSchema.FromJsonAsync(OneUnitEach(Older(JsonNode.Parse(schema)!, isSchema: true).ToJsonString(
        new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })));

    /// <summary>The validator counts UTF-16 units, JSON Schema counts characters: those of two units become one.</summary>
    public static string OneUnitEach(string text)
    {
        text = System.Text.RegularExpressions.Regex.Replace(text, @"(?<!\\)((?:\\\\)*)\\u[dD][89abAB]..\\u[dD][c-fC-F]..", "$1\uE000");
        var mapped = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes()) mapped.Append(rune.IsBmp ? (char)rune.Value : '\uE000');
        return mapped.ToString();
    }

    private static JsonNode Older(JsonNode node, bool isSchema)
    {
        if (isSchema && node is JsonValue) return node.GetValueKind() == JsonValueKind.True ? new JsonObject() : new JsonObject { ["not"] = new JsonObject() };
        if (node is not JsonObject schema) return node.DeepClone();
        var older = new JsonObject();
        foreach ((string key, JsonNode? value) in schema)
        {
            switch (key)
            {
                case "const":
                    if (!schema.ContainsKey("enum")) older["enum"] = new JsonArray(value?.DeepClone());
                    break;
                case "prefixItems":
                    older["items"] = Each(value!.AsArray());
                    if (!schema.ContainsKey("items")) older["additionalItems"] = true;
                    break;
                case "items" when schema.ContainsKey("prefixItems"):
                    older["additionalItems"] = value!.GetValueKind() == JsonValueKind.False ? false : Older(value, isSchema: true);
                    break;
                case "items":
                    older["items"] = value is JsonArray tuple ? Each(tuple) : Older(value!, isSchema: true);
                    break;
                case "anyOf" or "oneOf" or "allOf":
                    older[key] = Each(value!.AsArray());
                    break;
                case "additionalProperties" or "additionalItems" or "propertyNames":
                    older[key] = value is JsonObject ? Older(value, isSchema: true) : value?.DeepClone();
                    break;
                case "properties" or "patternProperties" or "$defs" or "definitions":
                    older[key == "$defs" ? "definitions" : key] = new JsonObject(value!.AsObject().Select(p => KeyValuePair.Create(p.Key, (JsonNode?)Older(p.Value!, isSchema: true))));
                    break;
                case "$ref":
                    older[key] = ((string)value!).Replace("$defs", "definitions", StringComparison.Ordinal);
                    break;
                default:
                    older[key] = value?.DeepClone();
                    break;
            }
        }
        return older;
    }

    private static JsonArray Each(JsonArray schemas) => new([.. schemas.Select(schema => Older(schema!, isSchema: true))]);
}
