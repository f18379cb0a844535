using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Grammars.Regex;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

/// <summary>
/// A structural tag to rules: free text in which certain words must be followed by what is prescribed. Both forms in use are read:
/// {"structures": [{begin, schema, end}], "triggers": [...]}, and {"format": ...} with formats that nest. A field that would not be honoured is
/// refused.
/// </summary>
internal sealed class StructuralTagTranslator
{
    private const int MaxDepth = 64;

    private static readonly Node s_anyText = Node.Star(new Node.Chars(CharSet.All));

    private readonly RuleSet _rules = new();
    private readonly GrammarOptions _options;
    private readonly CompileBudget _budget;
    private int _depth;

    private StructuralTagTranslator(GrammarOptions options, CompileBudget budget)
    {
        _options = options;
        _budget = budget;
    }

    /// <exception cref="GrammarException">Says what is wrong or not supported, and where.</exception>
    public static RuleSet Translate(string text, GrammarOptions options, CompileBudget budget)
    {
        try
        {
            JsonNode? root = JsonNode.Parse(text, default, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var translator = new StructuralTagTranslator(options, budget);
            translator._rules.Root = translator._rules.Add("structural_tag", translator.Root(root));
            return translator._rules;
        }
        catch (JsonException e)
        {
            throw new GrammarException($"it is not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // A value of another type than its field takes, or a string that is half of a surrogate pair.
            throw new GrammarException($"it has a value of the wrong type or a string that is not Unicode: {e.Message}", e);
        }
    }

    private Node Root(JsonNode? root)
    {
        JsonObject fields = Object(root, "#");
        if (fields.ContainsKey("format"))
        {
            Only(fields, "#", "type", "format");
            return Format(fields["format"], "format");
        }
        Only(fields, "#", "type", "structures", "triggers");
        JsonArray structures = Array(fields, "structures", "#");
        var tags = new (string Begin, Node Node)[structures.Count];
        for (int i = 0; i < tags.Length; i++)
        {
            string path = $"structures[{i}]";
            JsonObject structure = Object(structures[i], path);
            Only(structure, path, "begin", "schema", "end");
            string begin = Text(structure, "begin", path);
            Node content = JsonSchemaTranslator.AddTo(_rules, structure["schema"], $"{path}.schema", _options, _budget);
            tags[i] = (begin, Node.Of(Node.Text(begin), content, Node.Text(Text(structure, "end", path))));
        }
        return Triggered(Texts(fields, "triggers", "#"), tags, "structures", atLeastOne: false, stopAfterFirst: false);
    }

    private Node Format(JsonNode? node, string path)
    {
        if (++_depth > MaxDepth) throw new GrammarException($"{path}: formats are nested more than {MaxDepth} deep");
        _budget.Tick();
        JsonObject format = Object(node, path);
        Node result = Text(format, "type", path) switch
        {
            "const_string" => Node.Text(Fields(format, path, "value")["value"]!.GetValue<string>()),
            "json_schema" => JsonSchemaTranslator.AddTo(_rules, Fields(format, path, "json_schema")["json_schema"], $"{path}.json_schema", _options, _budget),
            "regex" => RegexParser.Parse(Fields(format, path, "pattern")["pattern"]!.GetValue<string>()),
            "any_text" => Fields(format, path) is not null ? s_anyText : Node.Empty,
            "sequence" => Node.Of([.. Formats(Fields(format, path, "elements"), "elements", path)]),
            "or" => Node.Any([.. Formats(Fields(format, path, "elements"), "elements", path)]),
            "tag" => Tag(format, path).Node,
            "triggered_tags" => Triggered(Texts(format, "triggers", path), Tags(Fields(format, path, "triggers", "tags", "at_least_one", "stop_after_first"), path), $"{path}.tags",
                Flag(format, "at_least_one"), Flag(format, "stop_after_first")),
            "tags_with_separator" => Separated(Fields(format, path, "tags", "separator", "at_least_one", "stop_after_first"), path),
            string type => throw new GrammarException(
                $"{path}.type must be one of const_string, json_schema, regex, any_text, sequence, or, tag, triggered_tags, tags_with_separator, got {type}"),
        };
        _depth--;
        return result;
    }

    /// <summary>Free text up to the end of a tag does not contain that end.</summary>
    private (string Begin, Node Node) Tag(JsonNode? node, string path)
    {
        JsonObject tag = Object(node, path);
        Only(tag, path, "type", "begin", "content", "end");
        string begin = Text(tag, "begin", path), end = Text(tag, "end", path);
        JsonObject content = Object(tag["content"], $"{path}.content");
        Node inside = Text(content, "type", $"{path}.content") == "any_text" && end.Length > 0 ? Without([end]) : Format(content, $"{path}.content");
        return (begin, Node.Of(Node.Text(begin), inside, Node.Text(end)));
    }

    /// <summary>Free text without any trigger, and tags that each begin with one. With at_least_one the first tag comes before any text.</summary>
    private Node Triggered(string[] triggers, (string Begin, Node Node)[] tags, string path, bool atLeastOne, bool stopAfterFirst)
    {
        if (triggers.Length == 0) throw new GrammarException("triggers must not be empty");
        if (System.Array.Exists(triggers, trigger => trigger.Length == 0)) throw new GrammarException("a trigger must not be empty");
        if (tags.Length == 0) throw new GrammarException($"{path} must not be empty");
        for (int i = 0; i < tags.Length; i++)
            if (!System.Array.Exists(triggers, trigger => tags[i].Begin.StartsWith(trigger, StringComparison.Ordinal)))
                throw new GrammarException($"{path}[{i}].begin must start with one of the triggers, got \"{tags[i].Begin}\"");
        Node tag = new Node.Call(_rules.Add("tag", Node.Any([.. tags.Select(item => item.Node)])));
        Node free = Without(triggers);
        Node rest = Node.Of(free, Node.Star(Node.Of(tag, free)));
        return (atLeastOne, stopAfterFirst) switch
        {
            (true, true) => tag,
            (true, false) => Node.Of(tag, rest),
            (false, true) => Node.Of(free, Node.Optional(tag)),
            _ => rest,
        };
    }

    private Node Separated(JsonObject format, string path)
    {
        (string Begin, Node Node)[] tags = Tags(format, path);
        if (tags.Length == 0) throw new GrammarException($"{path}.tags must not be empty");
        Node tag = new Node.Call(_rules.Add("tag", Node.Any([.. tags.Select(item => item.Node)])));
        Node all = Flag(format, "stop_after_first") ? tag : Node.Of(tag, Node.Star(Node.Of(Node.Text(Text(format, "separator", path)), tag)));
        return Flag(format, "at_least_one") ? all : Node.Optional(all);
    }

    /// <summary>Texts that contain none of the words.</summary>
    private static Node Without(string[] words) =>
        new Node.Except(s_anyText, Node.Of(s_anyText, Node.Any([.. words.Select(Node.Text)]), s_anyText));

    private (string, Node)[] Tags(JsonObject format, string path) => [.. Array(format, "tags", path).Select((tag, i) => Tag(tag, $"{path}.tags[{i}]"))];

    private IEnumerable<Node> Formats(JsonObject format, string name, string path) => Array(format, name, path).Select((element, i) => Format(element, $"{path}.{name}[{i}]"));

    private static JsonObject Fields(JsonObject format, string path, params string[] names)
    {
        Only(format, path, ["type", .. names]);
        if (names is [string single] && format[single] is null) throw new GrammarException($"{path}.{single} is required");
        return format;
    }

    private static void Only(JsonObject fields, string path, params string[] names)
    {
        foreach ((string name, _) in fields)
            if (!names.Contains(name)) throw new GrammarException($"{path}: {name} is not supported; the fields are {string.Join(", ", names)}");
    }

    private static JsonObject Object(JsonNode? node, string path) => node as JsonObject ?? throw new GrammarException($"{path} must be an object, got {node?.ToJsonString() ?? "null"}");

    private static JsonArray Array(JsonObject fields, string name, string path) =>
        fields[name] as JsonArray ?? throw new GrammarException($"{path}.{name} must be a list, got {fields[name]?.ToJsonString() ?? "nothing"}");

    private static string Text(JsonObject fields, string name, string path) =>
        fields[name] is JsonValue value && value.TryGetValue(out string? text) ? text : throw new GrammarException($"{path}.{name} must be a string, got {fields[name]?.ToJsonString() ?? "nothing"}");

    private static string[] Texts(JsonObject fields, string name, string path) => [.. Array(fields, name, path).Select(item => item!.GetValue<string>())];

    private static bool Flag(JsonObject fields, string name) => fields[name]?.GetValue<bool>() ?? false;
}
