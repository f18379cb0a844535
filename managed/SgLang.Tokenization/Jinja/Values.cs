using System.Text.Json;
using System.Text.Json.Nodes;
using System.Globalization;
using System.Numerics;

namespace SgLang.Tokenization.Jinja;

// A template's values are plain objects: null (None), bool, long, BigInteger, double, string, List<object?>, and the types of this file.

/// <summary>A missing variable or attribute: empty when printed, false when tested, an error when used further.</summary>
internal sealed record Undefined(string Name, string Reason)
{
    public static Undefined Variable(string name) => new(name, $"'{name}' is undefined");

    public override string ToString() => "";
}

/// <summary>Python's tuple: a list that prints with parentheses.</summary>
internal sealed class TupleValue(IEnumerable<object?> items) : List<object?>(items);

/// <summary>Python's dict: keeps insertion order. Keys are strings, numbers, booleans or None.</summary>
internal sealed class DictValue
{
    // A null key needs a stand-in; numbers and booleans compare as in Python.
    private static readonly object s_none = new();

    private readonly OrderedDictionary<object, object?> _items = [];

    public int Count => _items.Count;

    public IEnumerable<object?> Keys => _items.Keys.Select(FromKey);

    public IEnumerable<object?> Values => _items.Values;

    public IEnumerable<(object? Key, object? Value)> Items => _items.Select(item => (FromKey(item.Key), item.Value));

    public bool TryGet(object? key, out object? value) => _items.TryGetValue(ToKey(key), out value);

    public void Set(object? key, object? value) => _items[ToKey(key)] = value;

    private static object ToKey(object? key) => key switch
    {
        null => s_none,
        bool flag => flag ? 1L : 0L,
        double number when number == Math.Floor(number) && Math.Abs(number) < 1e18 => (long)number,
        string or long or double or BigInteger => key,
        Undefined undefined => throw new TemplateError(undefined.Reason),
        _ => throw new TemplateError($"a {Operations.TypeName(key)} cannot be a key"),
    };

    private static object? FromKey(object key) => ReferenceEquals(key, s_none) ? null : key;
}

/// <summary>What namespace() makes: the only thing whose attributes a template may set.</summary>
internal sealed class NamespaceValue
{
    public Dictionary<string, object?> Attributes { get; } = [];
}

/// <summary>Something callable: a global function, a method bound to its object, a macro.</summary>
internal sealed class FunctionValue(string name, Func<Arguments, object?> body)
{
    public string Name => name;

    public object? Call(Arguments arguments) => body(arguments);
}

/// <summary>The variable loop. Index counts from 0.</summary>
internal sealed class LoopValue(List<object?> items)
{
    private object? _lastChanged = new();

    public int Index { get; set; }

    public object? Attribute(string name) => name switch
    {
        "index" => Index + 1L,
        "index0" => (long)Index,
        "revindex" => (long)(items.Count - Index),
        "revindex0" => items.Count - Index - 1L,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        // Depth counts recursion, not nesting, and recursive loops are not supported.
        "depth" => 1L,
        "depth0" => 0L,
        "previtem" => Index > 0 ? items[Index - 1] : new Undefined(name, "there is no previous item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new Undefined(name, "there is no next item"),
        "cycle" => new FunctionValue(name, arguments => arguments.Count > 0
            ? arguments.Positional[Index % arguments.Count] : throw new TemplateError("loop.cycle needs at least one value")),
        "changed" => new FunctionValue(name, HasChanged),
        _ => new Undefined(name, $"'loop' has no attribute '{name}'"),
    };

    private object? HasChanged(Arguments arguments)
    {
        bool isSame = _lastChanged is TupleValue last && Operations.AreEqual(last, new TupleValue(arguments.Positional));
        _lastChanged = new TupleValue(arguments.Positional);
        return !isSame;
    }
}

/// <summary>The arguments of a call, filter or test.</summary>
internal sealed class Arguments
{
    public List<object?> Positional { get; } = [];
    public Dictionary<string, object?> Named { get; } = [];

    public int Count => Positional.Count;

    /// <summary>The argument at <paramref name="index"/> or of that name, or the fallback.</summary>
    public object? Get(int index, string name, object? fallback = null) =>
        index < Positional.Count ? Positional[index] : Named.GetValueOrDefault(name, fallback);

    public object? Required(int index, string name) =>
        index < Positional.Count || Named.ContainsKey(name) ? Get(index, name) : throw new TemplateError($"argument '{name}' is missing");

    public bool Has(int index, string name) => index < Positional.Count || Named.ContainsKey(name);

    public string Text(int index, string name, string? fallback = null) =>
        (fallback is null ? Required(index, name) : Get(index, name, fallback)) as string ?? throw new TemplateError($"argument '{name}' must be a string");

    public int Integer(int index, string name, int? fallback = null) =>
        Operations.ToIndex(fallback is { } value ? Get(index, name, (long)value) : Required(index, name), name);

    public bool Flag(int index, string name, bool fallback = false) => Operations.IsTrue(Get(index, name, fallback));
}

internal static class JsonValues
{
    public static object? From(JsonNode? node)
    {
        switch (node)
        {
            case null:
                return null;
            case JsonObject members:
                var dict = new DictValue();
                foreach ((string name, JsonNode? member) in members)
                {
                    dict.Set(name, From(member));
                }

                return dict;
            case JsonArray items:
                return items.Select(From).ToList();
            default:
                return FromScalar(node);
        }
    }

    private static object? FromScalar(JsonNode node)
    {
        switch (node.GetValueKind())
        {
            case JsonValueKind.String:
                return node.GetValue<string>();
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Number:
                string text = node.ToJsonString();
                return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
                    : BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger big) ? big
                    : double.Parse(text, CultureInfo.InvariantCulture);
            default:
                return null;
        }
    }
}
