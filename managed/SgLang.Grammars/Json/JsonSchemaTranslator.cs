using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

/// <summary>
/// JSON Schema to rules. Every value that the grammar accepts is valid; the reverse holds but for what docs/serving.md lists: properties come
/// in the order of the schema, an object that names properties has no others unless additionalProperties says so, and patterns describe the
/// whole string. A keyword that cannot be enforced is refused.
/// </summary>
internal sealed partial class JsonSchemaTranslator
{
    private const int MaxDepth = 128;

    private static readonly string[] s_types = ["object", "array", "string", "number", "integer", "boolean", "null"];
    private static readonly string[] s_objectWords = ["properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"];
    private static readonly string[] s_arrayWords = ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"];
    private static readonly string[] s_stringWords = ["minLength", "maxLength", "pattern", "format"];
    private static readonly string[] s_numberWords = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

    private readonly JsonNode _root;
    private readonly RuleSet _rules;
    private readonly JsonPieces _pieces;
    private readonly CompileBudget _budget;
    private readonly Dictionary<string, int> _references = new(StringComparer.Ordinal);
    private int _depth;

    private JsonSchemaTranslator(JsonNode root, RuleSet rules, GrammarOptions options, CompileBudget budget)
    {
        _root = root;
        _rules = rules;
        _budget = budget;
        _pieces = new JsonPieces(rules, options);
    }

    /// <exception cref="GrammarException">Says what is wrong or not supported, and where.</exception>
    public static RuleSet Translate(string text, GrammarOptions options, CompileBudget budget)
    {
        JsonNode root;
        if (text == GrammarSpec.AnyJson) root = JsonValue.Create(true);
        else
        {
            try
            {
                root = JsonNode.Parse(text, default, new JsonDocumentOptions { AllowDuplicateProperties = false })
                    ?? throw new GrammarException("the schema must be an object or a boolean, got null");
            }
            catch (JsonException e)
            {
                throw new GrammarException($"the schema is not valid JSON: {e.Message}", e);
            }
        }
        try
        {
            var translator = new JsonSchemaTranslator(root, new RuleSet(), options, budget);
            translator._rules.Root = translator._rules.Add("schema", translator.NodeOf(root, "#"));
            return translator._rules;
        }
        catch (InvalidOperationException e)
        {
            // The only way there: a string that is half of a surrogate pair, or a value of another type than its keyword takes.
            throw new GrammarException($"the schema has a value of the wrong type or a string that is not Unicode: {e.Message}", e);
        }
    }

    /// <summary>A schema as a part of other rules; its references stay within it.</summary>
    /// <exception cref="GrammarException">As <see cref="Translate"/>; the paths begin at the schema.</exception>
    public static Node AddTo(RuleSet rules, JsonNode? schema, string path, GrammarOptions options, CompileBudget budget)
    {
        if (schema is null) throw new GrammarException($"{path} is required");
        try
        {
            return new Node.Call(rules.Add("schema", new JsonSchemaTranslator(schema, rules, options, budget).NodeOf(schema, "#")));
        }
        catch (GrammarException e)
        {
            throw new GrammarException($"{path}: {e.Message}", e);
        }
    }

    private Node NodeOf(JsonNode? schema, string path)
    {
        if (++_depth > MaxDepth) throw new GrammarException($"{path}: schemas are nested or combined more than {MaxDepth} deep");
        _budget.Tick();
        try
        {
            return schema switch
            {
                JsonObject keywords => NodeOf(keywords, path),
                JsonValue value when value.GetValueKind() == JsonValueKind.True => _pieces.Value,
                JsonValue value when value.GetValueKind() == JsonValueKind.False => Node.Any([]),
                _ => throw new GrammarException($"{path} must be a schema (an object or a boolean), got {schema?.ToJsonString() ?? "null"}"),
            };
        }
        finally
        {
            _depth--;
        }
    }

    private Node NodeOf(JsonObject schema, string path)
    {
        SchemaKeywords.Check(schema, path);
        if (schema.ContainsKey("$ref"))
        {
            string pointer = SchemaKeywords.Text(schema, "$ref", path)!;
            if (!SchemaKeywords.HasConstraint(schema, "$ref")) return Reference(pointer, path);
            return NodeOf(Combined(Without(schema, "$ref"), Resolve(pointer, path), path), path);
        }
        if (SchemaKeywords.Array(schema, "allOf", path) is { } all)
        {
            JsonNode combined = Without(schema, "allOf");
            for (int i = 0; i < all.Count; i++) combined = Combined(combined, all[i], $"{path}.allOf[{i}]");
            return NodeOf(combined, path);
        }
        foreach (string key in new[] { "anyOf", "oneOf" })
            if (SchemaKeywords.Array(schema, key, path) is { } branches) return Alternatives(schema, key, branches, path);
        if (schema.ContainsKey("enum") || schema.ContainsKey("const")) return Values(schema, path);
        return Node.Any([.. Types(schema, path).Select(type => OfType(type, schema, path))]);
    }

    private Node OfType(string type, JsonObject schema, string path) => type switch
    {
        "object" => ObjectNode(schema, path),
        "array" => ArrayNode(schema, path),
        "string" => Shared(path, s_stringWords, schema, StringNode(schema, path)),
        "number" => Shared(path, s_numberWords, schema, NumberNode(schema, path)),
        "integer" => Shared(path, s_numberWords, schema, IntegerNode(schema, path)),
        "boolean" => JsonPieces.Boolean,
        _ => JsonPieces.Null,
    };

    /// <summary>A constrained scalar is large and may stand in several places of its object's or array's automaton: it gets a rule of its own.</summary>
    private Node Shared(string path, string[] words, JsonObject schema, Node node) => words.Any(schema.ContainsKey) ? new Node.Call(_rules.Add(path, node)) : node;

    /// <summary>As given; else those that the keywords speak of; else all.</summary>
    private static IReadOnlyList<string> Types(JsonObject schema, string path)
    {
        if (schema["type"] is { } given)
        {
            JsonNode?[] names = given is JsonArray list ? [.. list] : [given];
            foreach (JsonNode? name in names)
                if (name?.GetValueKind() != JsonValueKind.String || !s_types.Contains(name.GetValue<string>()))
                    throw new GrammarException($"{path}.type must be among {string.Join(", ", s_types)}, got {name?.ToJsonString() ?? "null"}");
            string[] types = [.. names.Select(name => name!.GetValue<string>()).Distinct(StringComparer.Ordinal)];
            if (types.Length == 0) throw new GrammarException($"{path}.type must not be empty");
            return types.Contains("number") ? [.. types.Where(type => type != "integer")] : types;
        }
        var spoken = new List<string>();
        if (s_objectWords.Any(schema.ContainsKey)) spoken.Add("object");
        if (s_arrayWords.Any(schema.ContainsKey)) spoken.Add("array");
        if (s_stringWords.Any(schema.ContainsKey)) spoken.Add("string");
        if (s_numberWords.Any(schema.ContainsKey)) spoken.Add("number");
        return spoken.Count > 0 ? spoken : ["object", "array", "string", "number", "boolean", "null"];
    }

    private Node Values(JsonObject schema, string path)
    {
        if (SchemaKeywords.HasConstraint(schema, "enum", "const", "type"))
            throw new GrammarException($"{path}: enum and const are supported beside type only; remove the other keywords");
        IEnumerable<JsonNode?> values = new[] { schema["const"] };
        if (schema.ContainsKey("enum")) values = SchemaKeywords.Array(schema, "enum", path) ?? throw new GrammarException($"{path}.enum must be a list, got null");
        if (schema.ContainsKey("enum") && schema.ContainsKey("const")) values = values.Where(value => JsonNode.DeepEquals(value, schema["const"]));
        if (schema.ContainsKey("type"))
        {
            IReadOnlyList<string> types = Types(schema, path);
            values = values.Where(value => IsOfType(value, types));
        }
        Node[] literals = [.. values.Select(_pieces.Literal)];
        return literals.Length > 0 ? Node.Any(literals) : throw new GrammarException($"{path}: no value of enum or const has the type asked for");
    }

    private static bool IsOfType(JsonNode? value, IReadOnlyList<string> types) => value?.GetValueKind() switch
    {
        null or JsonValueKind.Null => types.Contains("null"),
        JsonValueKind.Object => types.Contains("object"),
        JsonValueKind.Array => types.Contains("array"),
        JsonValueKind.String => types.Contains("string"),
        JsonValueKind.True or JsonValueKind.False => types.Contains("boolean"),
        _ => types.Contains("number") || (types.Contains("integer") && SchemaKeywords.Decimal(value, "enum") is var number && number == decimal.Truncate(number)),
    };

    private Node Alternatives(JsonObject schema, string key, JsonArray branches, string path)
    {
        if (branches.Count == 0) throw new GrammarException($"{path}.{key} must not be empty");
        JsonObject others = Without(schema, key);
        bool isAlone = !SchemaKeywords.HasConstraint(others);
        JsonNode[] whole = [.. branches.Select((branch, i) => isAlone ? branch! : Combined(others, branch, $"{path}.{key}[{i}]"))];
        if (key == "oneOf") new OneOfCheck(branch => Resolved(branch, path)).RefuseOverlap(whole, path);
        return Node.Any([.. whole.Select((branch, i) => NodeOf(branch, $"{path}.{key}[{i}]"))]);
    }

    /// <summary>Both schemas at once; references are looked through.</summary>
    private JsonNode Combined(JsonNode left, JsonNode? right, string path)
    {
        left = Resolved(left, path);
        right = Resolved(right, path);
        if (left is JsonObject a && right is JsonObject b) return SchemaMerge.Merge(a, b, path);
        return left.GetValueKind() == JsonValueKind.False || right.GetValueKind() == JsonValueKind.True ? left : right;
    }

    private JsonNode Resolved(JsonNode? schema, string path)
    {
        for (int hops = 0; schema is JsonObject keywords && keywords.ContainsKey("$ref"); hops++)
        {
            SchemaKeywords.Check(keywords, path);
            if (hops > MaxDepth) throw new GrammarException($"{path}: $ref leads back to itself");
            JsonNode target = Resolve(SchemaKeywords.Text(keywords, "$ref", path)!, path);
            JsonObject rest = Without(keywords, "$ref");
            schema = SchemaKeywords.HasConstraint(rest) && target is JsonObject targeted ? SchemaMerge.Merge(rest, targeted, path) : target;
        }
        return schema is JsonObject or JsonValue { } ? schema : throw new GrammarException($"{path} must be a schema (an object or a boolean), got {schema?.ToJsonString() ?? "null"}");
    }

    private static JsonObject Without(JsonObject schema, string key)
    {
        JsonObject rest = (JsonObject)schema.DeepClone();
        rest.Remove(key);
        return rest;
    }

    /// <summary>One rule a target, so that a schema may refer to itself.</summary>
    private Node Reference(string pointer, string path)
    {
        if (_references.TryGetValue(pointer, out int known)) return new Node.Call(known);
        JsonNode target = Resolve(pointer, path);
        int rule = _rules.Declare(pointer);
        _references.Add(pointer, rule);
        _rules.Define(rule, NodeOf(target, pointer));
        return new Node.Call(rule);
    }

    private JsonNode Resolve(string pointer, string path)
    {
        if (pointer != "#" && !pointer.StartsWith("#/", StringComparison.Ordinal))
            throw new GrammarException($"{path}.$ref must point into this schema (\"#/$defs/name\"), got \"{pointer}\"");
        JsonNode? target = _root;
        foreach (string part in pointer.Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            target = target switch
            {
                JsonObject members => members[name],
                JsonArray items when int.TryParse(name, out int index) && index >= 0 && index < items.Count => items[index],
                _ => null,
            };
            if (target is null) throw new GrammarException($"{path}.$ref points to \"{pointer}\", which is not there");
        }
        return target;
    }
}
