using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Grammars.Json;

/// <summary>
/// A grammar takes what any branch takes; oneOf wants what exactly one takes. They agree where no two branches overlap, which is shown by
/// types, by listed values, or by a required property whose values differ.
/// </summary>
internal sealed class OneOfCheck(Func<JsonNode?, JsonNode> resolve)
{
    public void RefuseOverlap(JsonNode[] branches, string path)
    {
        JsonNode[] resolved = [.. branches.Select(resolve)];
        for (int i = 0; i < resolved.Length; i++)
            for (int j = i + 1; j < resolved.Length; j++)
                if (!AreDisjoint(resolved[i], resolved[j]))
                    throw new GrammarException($"{path}.oneOf: branches {i} and {j} may both match, and \"exactly one\" cannot be enforced; use anyOf, or give them different types or a required property with different constants");
    }

    private bool AreDisjoint(JsonNode left, JsonNode right)
    {
        left = resolve(left);
        right = resolve(right);
        if (left is not JsonObject a || right is not JsonObject b) return left.GetValueKind() == JsonValueKind.False || right.GetValueKind() == JsonValueKind.False;
        if (ValuesOf(a) is { } x && ValuesOf(b) is { } y) return !x.Any(value => y.Any(other => JsonNode.DeepEquals(value, other)));
        if (TypesOf(a) is { } types && TypesOf(b) is { } others && !types.Overlaps(others)) return true;
        return DiffersInProperty(a, b);
    }

    private bool DiffersInProperty(JsonObject a, JsonObject b)
    {
        if (TypesOf(a)?.SetEquals(["object"]) != true || TypesOf(b)?.SetEquals(["object"]) != true) return false;
        if (a["properties"] is not JsonObject left || b["properties"] is not JsonObject right) return false;
        foreach ((string name, JsonNode? value) in left)
            if (IsRequired(a, name) && IsRequired(b, name) && right.TryGetPropertyValue(name, out JsonNode? other) && AreDisjoint(value!, other!)) return true;
        return false;
    }

    private static bool IsRequired(JsonObject schema, string name) =>
        schema["required"] is JsonArray required && required.Any(entry => entry?.GetValueKind() == JsonValueKind.String && entry.GetValue<string>() == name);

    private static JsonNode?[]? ValuesOf(JsonObject schema) =>
        schema["enum"] is JsonArray values ? [.. values] : schema.ContainsKey("const") ? [schema["const"]] : null;

    private static HashSet<string>? TypesOf(JsonObject schema)
    {
        IEnumerable<string> types;
        if (ValuesOf(schema) is { } values) types = values.Select(TypeOf);
        else if (schema["type"] is JsonArray list) types = list.Select(name => name!.GetValue<string>());
        else if (schema["type"] is { } single) types = [single.GetValue<string>()];
        else if (schema.ContainsKey("properties") || schema.ContainsKey("required")) types = ["object"];
        else return null;
        // An integer is a number.
        return [.. types.Select(type => type == "integer" ? "number" : type)];
    }

    private static string TypeOf(JsonNode? value) => value?.GetValueKind() switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.Number => "number",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        _ => "null",
    };
}
