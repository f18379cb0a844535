using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Grammars.Json;

/// <summary>One schema that says what two say together, for allOf and for keywords beside $ref, anyOf and oneOf.</summary>
internal static class SchemaMerge
{
    /// <exception cref="GrammarException">They constrain the same thing in ways that have no common form here.</exception>
    public static JsonObject Merge(JsonObject left, JsonObject right, string path)
    {
        SchemaKeywords.Check(left, path);
        SchemaKeywords.Check(right, path);
        CheckClosedObjects(left, right, path);
        JsonObject merged = (JsonObject)left.DeepClone();
        foreach ((string key, JsonNode? value) in right)
        {
            if (!merged.TryGetPropertyValue(key, out JsonNode? present)) merged[key] = value?.DeepClone();
            else if (!SchemaKeywords.IsAnnotation(key) && !JsonNode.DeepEquals(present, value)) merged[key] = Both(key, present, value, path);
        }
        return merged;
    }

    private static JsonNode? Both(string key, JsonNode? left, JsonNode? right, string path)
    {
        switch (key)
        {
            case "required":
                return new JsonArray([.. Strings(left, right).Distinct(StringComparer.Ordinal).Select(name => (JsonNode)name)]);
            case "type":
                string[] common = [.. Types(left).Where(type => Types(right).Any(other => type == other || (type == "integer" && other == "number")))
                    .Concat(Types(right).Where(type => type == "integer" && Types(left).Contains("number"))).Distinct(StringComparer.Ordinal)];
                if (common.Length == 0) throw new GrammarException($"{path}: the parts that apply together have no type in common");
                return new JsonArray([.. common.Select(type => (JsonNode)type)]);
            case "properties":
                JsonObject properties = (JsonObject)left!.DeepClone();
                foreach ((string name, JsonNode? schema) in right!.AsObject())
                {
                    properties[name] = properties.TryGetPropertyValue(name, out JsonNode? present) && !JsonNode.DeepEquals(present, schema)
                        ? new JsonObject { ["allOf"] = new JsonArray(present?.DeepClone(), schema?.DeepClone()) }
                        : schema?.DeepClone();
                }
                return properties;
            case "enum":
                return new JsonArray([.. left!.AsArray().Where(value => right!.AsArray().Any(other => JsonNode.DeepEquals(value, other))).Select(value => value?.DeepClone())]);
            case "minimum" or "exclusiveMinimum" or "minLength" or "minItems" or "minProperties" when IsNumber(left) && IsNumber(right):
                return SchemaKeywords.Decimal(left!, path) >= SchemaKeywords.Decimal(right!, path) ? left!.DeepClone() : right!.DeepClone();
            case "maximum" or "exclusiveMaximum" or "maxLength" or "maxItems" or "maxProperties" when IsNumber(left) && IsNumber(right):
                return SchemaKeywords.Decimal(left!, path) <= SchemaKeywords.Decimal(right!, path) ? left!.DeepClone() : right!.DeepClone();
            default:
                throw new GrammarException($"{path}: \"{key}\" is given twice for the same value (by allOf, or beside $ref, anyOf or oneOf) and cannot be combined; write one schema");
        }
    }

    /// <summary>additionalProperties speaks of its own schema's properties; merging would let it see the other's.</summary>
    private static void CheckClosedObjects(JsonObject left, JsonObject right, string path)
    {
        foreach ((JsonObject closed, JsonObject other) in new[] { (left, right), (right, left) })
        {
            if (!closed.TryGetPropertyValue("additionalProperties", out JsonNode? additional) || additional is null || IsTrue(additional)) continue;
            JsonObject? own = closed["properties"] as JsonObject;
            if (other["properties"] is JsonObject names && names.Any(name => own?.ContainsKey(name.Key) != true))
                throw new GrammarException($"{path}: additionalProperties of one part forbids properties of another (allOf, or beside $ref, anyOf or oneOf); write one schema");
        }
    }

    private static bool IsTrue(JsonNode node) => node.GetValueKind() == JsonValueKind.True;

    private static bool IsNumber(JsonNode? node) => node?.GetValueKind() == JsonValueKind.Number;

    private static IEnumerable<string> Strings(JsonNode? left, JsonNode? right) => left!.AsArray().Concat(right!.AsArray()).Select(name => name!.GetValue<string>());

    private static IEnumerable<string> Types(JsonNode? type) => type is JsonArray list ? list.Select(name => name!.GetValue<string>()) : [type!.GetValue<string>()];
}
