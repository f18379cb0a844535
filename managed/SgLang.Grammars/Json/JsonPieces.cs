using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Grammars.Regex;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

/// <summary>
/// The parts that every JSON grammar is made of. Numbers have at most 15 digits before and after the point and two of exponent, and blank space is
/// at most a line break with its indentation: without such bounds a weak model writes digits or blanks for ever.
/// </summary>
internal sealed class JsonPieces
{
    public const int MaxDigits = 15;
    private const int MaxIndentation = 64;

    private static readonly CharSet s_raw = CharSet.Of((0x20, CharSet.MaxChar)).Except(CharSet.Of(('"', '"'), ('\\', '\\')));

    /// <summary>One character of a string in any form: itself, a short escape, \uXXXX, or two of those for a surrogate pair.</summary>
    private static readonly Node s_anyChar = Node.Any(
        new Node.Chars(s_raw),
        Node.Of(Node.Text("\\"), new Node.Chars(CharSet.Union([.. "\"\\/bfnrt".Select(c => CharSet.Single(c))]))),
        RegexParser.Parse("""\\u([0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"""),
        RegexParser.Parse("""\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""));

    /// <summary>One character in any form but \uXXXX, which keeps long counted strings small.</summary>
    private static readonly Node s_plainChar = Node.Any(
        new Node.Chars(s_raw), Node.Of(Node.Text("\\"), new Node.Chars(CharSet.Union([.. "\"\\/bfnrt".Select(c => CharSet.Single(c))]))));

    private readonly RuleSet _rules;
    private int? _string, _value, _object, _array;

    public JsonPieces(RuleSet rules, GrammarOptions options)
    {
        _rules = rules;
        Blank = options.CompactJson ? Node.Empty : new Node.Call(rules.Add("blank", BlankRule(options)));
        ItemSeparator = options.CompactJson ? Node.Text(", ") : Node.Of(Blank, Node.Text(","), Blank);
        KeySeparator = options.CompactJson ? Node.Text(": ") : Node.Of(Node.Text(":"), Blank);
    }

    public static Node CountedAnyChar(int min, int? max) => new Node.Repeat(max > 256 || min > 256 ? s_plainChar : s_anyChar, min, max);

    /// <summary>One character in the one form that <see cref="Escaped(CharSet)"/> gives it.</summary>
    public static Node CanonicalChar { get; } = Escaped(CharSet.All);

    public static Node Digit { get; } = new Node.Chars(CharSet.Of(('0', '9')));

    public Node Blank { get; }
    public Node ItemSeparator { get; }
    public Node KeySeparator { get; }

    public Node String => new Node.Call(_string ??= _rules.Add("string", Quoted(Node.Star(s_anyChar))));

    public static Node Number { get; } = RegexParser.Parse("-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?");
    public static Node Integer { get; } = RegexParser.Parse("-?(0|[1-9][0-9]{0,14})");
    public static Node Boolean { get; } = Node.Any(Node.Text("true"), Node.Text("false"));
    public static Node Null { get; } = Node.Text("null");

    /// <summary>Any JSON value.</summary>
    public Node Value
    {
        get
        {
            if (_value is { } known) return new Node.Call(known);
            int rule = _rules.Declare("value");
            _value = rule;
            _rules.Define(rule, Node.Any(Object, Array, String, Number, Boolean, Null));
            return new Node.Call(rule);
        }
    }

    public Node Object => new Node.Call(_object ??= AddContainer("object", () => Map(String, Value, 0, null)));

    public Node Array => new Node.Call(_array ??= AddContainer("array", () => Brackets(Node.Optional(Node.Of(Value, Node.Star(Node.Of(ItemSeparator, Value)))))));

    public static Node Quoted(Node content) => Node.Of(Node.Text("\""), content, Node.Text("\""));

    public Node Braces(Node content) => Node.Of(Node.Text("{"), Blank, content, Blank, Node.Text("}"));

    public Node Brackets(Node content) => Node.Of(Node.Text("["), Blank, content, Blank, Node.Text("]"));

    public Node Pair(Node key, Node value) => Node.Of(key, KeySeparator, value);

    /// <summary>An object whose keys all have one form.</summary>
    public Node Map(Node key, Node value, int min, int? max)
    {
        Node pair = Pair(key, value);
        if (max == 0) return Braces(Node.Empty);
        Node pairs = Node.Of(pair, new Node.Repeat(Node.Of(ItemSeparator, pair), Math.Max(0, min - 1), max - 1));
        return Braces(min == 0 ? Node.Optional(pairs) : pairs);
    }

    /// <summary>A given value; blank space is free where it is free elsewhere.</summary>
    public Node Literal(JsonNode? value)
    {
        switch (value)
        {
            case JsonObject members:
                var pairs = members.Select(member => Pair(StringLiteral(member.Key), Literal(member.Value))).ToArray();
                return Braces(Joined(pairs));
            case JsonArray items:
                return Brackets(Joined([.. items.Select(Literal)]));
            case JsonValue scalar when scalar.GetValueKind() == JsonValueKind.String:
                return StringLiteral(scalar.GetValue<string>());
            default:
                return Node.Text(value is null ? "null" : value.ToJsonString());
        }
    }

    public static Node StringLiteral(string text) => Node.Text($"\"{CanonicalText(text)}\"");

    /// <summary>The characters of a set as they stand in a string, each in one form: itself, or the shortest escape where it needs one.</summary>
    public static Node Escaped(CharSet set)
    {
        var forms = new List<Node>();
        CharSet raw = set.And(s_raw);
        if (!raw.IsEmpty) forms.Add(new Node.Chars(raw));
        for (int c = 0; c < 0x20; c++)
            if (set.Contains(c)) forms.Add(Node.Text(EscapeOf(c)));
        foreach (char c in "\"\\")
            if (set.Contains(c)) forms.Add(Node.Text(EscapeOf(c)));
        return Node.Any([.. forms]);
    }

    /// <summary>A regular expression's language as it stands in a string.</summary>
    public static Node Escaped(Node node) => node switch
    {
        Node.Chars chars => Escaped(chars.Set),
        Node.Sequence sequence => new Node.Sequence([.. sequence.Items.Select(Escaped)]),
        Node.Choice choice => new Node.Choice([.. choice.Items.Select(Escaped)]),
        Node.Repeat repeat => repeat with { Item = Escaped(repeat.Item) },
        _ => throw new InvalidOperationException($"{node.GetType().Name} is no part of a regular expression"),
    };

    private static string CanonicalText(string text)
    {
        var escaped = new StringBuilder();
        foreach (char c in text)
        {
            if (c is '"' or '\\' or < (char)0x20) escaped.Append(EscapeOf(c));
            else escaped.Append(c);
        }
        return escaped.ToString();
    }

    private static string EscapeOf(int c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => string.Create(CultureInfo.InvariantCulture, $"\\u{c:x4}"),
    };

    private static Node BlankRule(GrammarOptions options)
    {
        if (options.JsonWhitespacePattern is { } pattern) return RegexParser.Parse(pattern);
        Node indentation = new Node.Repeat(new Node.Chars(CharSet.Of(('\t', '\t'), (' ', ' '))), 0, MaxIndentation);
        return Node.Any(Node.Optional(Node.Text(" ")), Node.Of(Node.Text("\n"), indentation));
    }

    private int AddContainer(string name, Func<Node> body)
    {
        int rule = _rules.Declare(name);
        // Known before its body is made: values contain containers.
        if (name == "object") _object = rule;
        else _array = rule;
        _rules.Define(rule, body());
        return rule;
    }

    private Node Joined(Node[] items)
    {
        var all = new List<Node>();
        for (int i = 0; i < items.Length; i++)
        {
            if (i > 0) all.Add(ItemSeparator);
            all.Add(items[i]);
        }
        return new Node.Sequence([.. all]);
    }
}
