using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Grammars.Json;

/// <summary>The vocabulary of JSON Schema, sorted by what becomes of each word here, and typed access to it.</summary>
internal static class SchemaKeywords
{
    /// <summary>Words that describe and do not constrain; ignored. Names that begin with x- are too.</summary>
    private static readonly HashSet<string> s_annotations = new(StringComparer.Ordinal)
    {
        "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "id", "$comment", "$anchor", "$vocabulary",
        "$defs", "definitions", "discriminator", "nullable", "xml", "externalDocs", "contentMediaType", "contentEncoding", "contentSchema", "strict",
    };

    private static readonly HashSet<string> s_supported = new(StringComparer.Ordinal)
    {
        "$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties", "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "unevaluatedProperties", "unevaluatedItems",
    };

    public static bool IsAnnotation(string key) => s_annotations.Contains(key) || key.StartsWith("x-", StringComparison.Ordinal);

    /// <exception cref="GrammarException">A word that would constrain, and that is not enforced.</exception>
    public static void Check(JsonObject schema, string path)
    {
        foreach ((string key, JsonNode? value) in schema)
        {
            if (value is null && key != "const" && s_supported.Contains(key)) throw new GrammarException($"{path}.{key} must not be null");
            if (!s_supported.Contains(key) && !IsAnnotation(key)) throw new GrammarException($"{path}: \"{key}\" is not supported; remove it, for it would not be enforced");
        }
    }

    public static bool HasConstraint(JsonObject schema, params ReadOnlySpan<string> except)
    {
        foreach ((string key, _) in schema)
            if (!IsAnnotation(key) && !except.Contains(key)) return true;
        return false;
    }

    public static string? Text(JsonObject schema, string key, string path) => schema[key] switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        { } other => throw new GrammarException($"{path}.{key} must be a string, got {other.ToJsonString()}"),
    };

    public static int? Count(JsonObject schema, string key, string path)
    {
        if (schema[key] is not { } node) return null;
        decimal value = Decimal(node, $"{path}.{key}");
        if (value < 0 || value > int.MaxValue || value != decimal.Truncate(value)) throw new GrammarException($"{path}.{key} must be a whole number from 0 on, got {node.ToJsonString()}");
        return (int)value;
    }

    public static decimal Decimal(JsonNode node, string path)
    {
        if (node.GetValueKind() == JsonValueKind.Number && node is JsonValue value && decimal.TryParse(
                value.ToJsonString(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out decimal number))
            return number;
        throw new GrammarException($"{path} must be a number that a decimal can hold, got {node.ToJsonString()}");
    }

    public static JsonObject? Object(JsonObject schema, string key, string path) => schema[key] switch
    {
        null => null,
        JsonObject value => value,
        { } other => throw new GrammarException($"{path}.{key} must be an object, got {other.ToJsonString()}"),
    };

    public static JsonArray? Array(JsonObject schema, string key, string path) => schema[key] switch
    {
        null => null,
        JsonArray value => value,
        { } other => throw new GrammarException($"{path}.{key} must be a list, got {other.ToJsonString()}"),
    };

    /// <summary>Null where the key is absent or no boolean.</summary>
    public static bool? Flag(JsonObject schema, string key) => schema[key]?.GetValueKind() switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };
}
