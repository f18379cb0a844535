using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

internal sealed partial class JsonSchemaTranslator
{
    private const int MaxPrefixItems = 1000;

    private Node ArrayNode(JsonObject schema, string path)
    {
        if (!s_arrayWords.Any(schema.ContainsKey)) return _pieces.Array;
        int min = SchemaKeywords.Count(schema, "minItems", path) ?? 0;
        int? max = SchemaKeywords.Count(schema, "maxItems", path);
        if (max < min) throw new GrammarException($"{path}: maxItems {max} is less than minItems {min}");
        if (SchemaKeywords.Flag(schema, "uniqueItems") is true && max is not (0 or 1))
            throw new GrammarException($"{path}.uniqueItems cannot be enforced; remove it");
        (JsonArray prefix, JsonNode? items) = Items(schema, path);
        if (prefix.Count > MaxPrefixItems) throw new GrammarException($"{path}: at most {MaxPrefixItems} items can have schemas of their own, got {prefix.Count}");
        Node[] first = [.. prefix.Take(max ?? int.MaxValue).Select((item, i) => NodeOf(item, $"{path}.prefixItems[{i}]"))];

        bool isClosed = items?.GetValueKind() == JsonValueKind.False || (items is null && prefix.Count > 0 && min <= prefix.Count);
        if (isClosed && min > first.Length) throw new GrammarException($"{path}: minItems {min} is more than the {first.Length} items there can be");
        int? restMax = isClosed ? 0 : max - first.Length;
        Node? rest = restMax == 0 ? null : items is null ? _pieces.Value : NodeOf(items, $"{path}.items");
        return new Node.Call(_rules.Add(path, _pieces.Brackets(Elements(first, rest, min, restMax))));
    }

    /// <summary>prefixItems and items; or, before 2020, a list of items and additionalItems.</summary>
    private static (JsonArray Prefix, JsonNode? Items) Items(JsonObject schema, string path)
    {
        JsonArray? prefix = SchemaKeywords.Array(schema, "prefixItems", path);
        JsonNode? items = schema["items"];
        if (items is JsonArray tuple)
        {
            if (prefix is not null) throw new GrammarException($"{path}: a list of items and prefixItems exclude each other");
            return (tuple, schema["additionalItems"]);
        }
        return (prefix ?? [], items ?? schema["unevaluatedItems"]);
    }

    /// <summary>The first items each in its place, then up to <paramref name="restMax"/> of the rest; at least <paramref name="min"/> in all.</summary>
    private Node Elements(Node[] first, Node? rest, int min, int? restMax)
    {
        Node tail = Node.Empty;
        if (rest is not null)
        {
            Node more = Node.Of(_pieces.ItemSeparator, rest);
            if (first.Length == 0)
            {
                Node all = Node.Of(rest, new Node.Repeat(more, Math.Max(0, min - 1), restMax - 1));
                return min == 0 ? Node.Optional(all) : all;
            }
            tail = new Node.Repeat(more, Math.Max(0, min - first.Length), restMax);
        }
        for (int i = first.Length - 1; i >= 0; i--)
        {
            Node item = i == 0 ? Node.Of(first[i], tail) : Node.Of(_pieces.ItemSeparator, first[i], tail);
            tail = i >= min ? Node.Optional(item) : item;
        }
        return tail;
    }
}
