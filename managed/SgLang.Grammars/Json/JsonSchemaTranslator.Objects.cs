using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

internal sealed partial class JsonSchemaTranslator
{
    private Node ObjectNode(JsonObject schema, string path)
    {
        if (!s_objectWords.Any(schema.ContainsKey)) return _pieces.Object;
        JsonObject? properties = SchemaKeywords.Object(schema, "properties", path);
        string[] required = [.. (SchemaKeywords.Array(schema, "required", path) ?? []).Select((name, i) => name?.GetValueKind() == JsonValueKind.String
            ? name.GetValue<string>()
            : throw new GrammarException($"{path}.required[{i}] must be a string"))];
        bool namesProperties = properties is { Count: > 0 } || required.Length > 0;
        Node body = namesProperties ? Record(schema, properties ?? [], required, path) : FreeObject(schema, path);
        return new Node.Call(_rules.Add(path, body));
    }

    /// <summary>Named properties in the order of the schema, then others where they are allowed.</summary>
    private Node Record(JsonObject schema, JsonObject properties, string[] required, string path)
    {
        foreach (string key in new[] { "patternProperties", "propertyNames" })
            if (schema.ContainsKey(key)) throw new GrammarException($"{path}: \"{key}\" is not supported beside properties or required");
        JsonNode? additional = Additional(schema, path);
        bool isClosed = additional?.GetValueKind() == JsonValueKind.False;
        var items = new List<Node.ListItem>();
        foreach ((string name, JsonNode? value) in properties)
        {
            bool isRequired = required.Contains(name);
            // A property that no value fits can be left out, and must be.
            if (!isRequired && value?.GetValueKind() == JsonValueKind.False) continue;
            items.Add(new Node.ListItem(Property(name, value, $"{path}.properties.{name}"), isRequired));
        }
        foreach (string name in required.Distinct(StringComparer.Ordinal).Where(name => !properties.ContainsKey(name)))
        {
            if (isClosed) throw new GrammarException($"{path}: \"{name}\" is required, but it is not among the properties and additionalProperties is false");
            items.Add(new Node.ListItem(Property(name, additional ?? JsonValue.Create(true), $"{path}.additionalProperties"), true));
        }
        // Without the word, others are allowed by the standard; models are better served by what the schema names.
        Node? more = additional is null || isClosed ? null : _pieces.Pair(OtherKey(properties, required, path), NodeOf(additional, $"{path}.additionalProperties"));
        CheckCount(schema, items, more is not null, path);
        return _pieces.Braces(new Node.SeparatedList([.. items], _pieces.ItemSeparator, more));
    }

    private Node Property(string name, JsonNode? value, string path) => _pieces.Pair(JsonPieces.StringLiteral(name), NodeOf(value, path));

    /// <summary>A key other than the named ones. All keys have one spelling, so that \u0061 cannot stand for a.</summary>
    private Node OtherKey(JsonObject properties, string[] required, string path)
    {
        Node[] named = [.. properties.Select(property => property.Key).Concat(required).Distinct(StringComparer.Ordinal).Select(JsonPieces.StringLiteral)];
        return new Node.Call(_rules.Add($"{path}.otherKey", new Node.Except(JsonPieces.Quoted(Node.Star(JsonPieces.CanonicalChar)), new Node.Choice(named))));
    }

    private static void CheckCount(JsonObject schema, List<Node.ListItem> items, bool isOpen, string path)
    {
        int required = items.Count(item => item.IsRequired);
        if (SchemaKeywords.Count(schema, "minProperties", path) is { } min && min > required)
            throw new GrammarException($"{path}.minProperties {min} cannot be enforced with {required} required properties; make more of them required");
        if (SchemaKeywords.Count(schema, "maxProperties", path) is { } max && (isOpen || max < items.Count))
            throw new GrammarException($"{path}.maxProperties {max} cannot be enforced beside {items.Count} properties{(isOpen ? " and additional ones" : "")}");
    }

    /// <summary>An object without named properties.</summary>
    private Node FreeObject(JsonObject schema, string path)
    {
        int min = SchemaKeywords.Count(schema, "minProperties", path) ?? 0;
        int? max = SchemaKeywords.Count(schema, "maxProperties", path);
        if (min > 1) throw new GrammarException($"{path}.minProperties {min} cannot be enforced, since keys could repeat; name the properties and require them");
        if (max < min) throw new GrammarException($"{path}: maxProperties {max} is less than minProperties {min}");
        JsonNode? additional = Additional(schema, path);
        if (SchemaKeywords.Object(schema, "patternProperties", path) is { Count: > 0 } patterns)
        {
            if (patterns.Count > 1) throw new GrammarException($"{path}.patternProperties: more than one pattern is not supported, since a key could match several");
            if (schema.ContainsKey("propertyNames")) throw new GrammarException($"{path}: \"propertyNames\" is not supported beside patternProperties");
            (string pattern, JsonNode? value) = patterns.Single();
            string at = $"{path}.patternProperties";
            return _pieces.Map(JsonPieces.Quoted(JsonPieces.Escaped(PatternNode(pattern, at))), NodeOf(value, at), min, max);
        }
        if (additional?.GetValueKind() == JsonValueKind.False)
            return min == 0 ? _pieces.Braces(Node.Empty) : throw new GrammarException($"{path}: minProperties {min} contradicts additionalProperties false");
        Node key = schema["propertyNames"] is { } names ? KeyNode(names, $"{path}.propertyNames") : _pieces.String;
        return _pieces.Map(key, additional is null ? _pieces.Value : NodeOf(additional, $"{path}.additionalProperties"), min, max);
    }

    private Node KeyNode(JsonNode names, string path)
    {
        JsonObject schema = Resolved(names, path) as JsonObject ?? throw new GrammarException($"{path} must be an object");
        if (schema.ContainsKey("type") && !Types(schema, path).SequenceEqual(["string"])) throw new GrammarException($"{path}.type must be \"string\"");
        JsonObject typed = (JsonObject)schema.DeepClone();
        typed["type"] = "string";
        return NodeOf(typed, path);
    }

    private static JsonNode? Additional(JsonObject schema, string path)
    {
        JsonNode? additional = schema["additionalProperties"];
        if (schema["unevaluatedProperties"] is not { } unevaluated) return additional;
        // Without combinators, which are resolved before, it says the same.
        return additional is null || JsonNode.DeepEquals(additional, unevaluated)
            ? unevaluated
            : throw new GrammarException($"{path}: \"unevaluatedProperties\" is not supported beside a different additionalProperties");
    }
}
