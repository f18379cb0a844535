using System.Globalization;

namespace SgLang.Tokenization.Jinja;

/// <summary>Jinja's filters, and tojson as transformers redefines it. Those on sequences are in SequenceFilters.</summary>
internal static class Filters
{
    private delegate object? Filter(Evaluator evaluator, object? value, Arguments arguments);

    private static readonly Dictionary<string, Filter> s_filters = new()
    {
        ["abs"] = (_, value, _) => Operations.IsNumber(value) && Operations.Compare(value, 0L) < 0 ? Operations.Negate(value) : Number(value),
        ["attr"] = (_, value, arguments) => Attribute(value, arguments.Text(0, "name")),
        ["capitalize"] = (_, value, _) => Methods.Capitalize(Text.Of(value)),
        ["center"] = (_, value, arguments) => Methods.Center(Text.Of(value), arguments.Integer(0, "width", 80), ' '),
        ["default"] = Default,
        ["d"] = Default,
        ["escape"] = (_, value, _) => Escape(Text.Of(value)),
        ["e"] = (_, value, _) => Escape(Text.Of(value)),
        ["float"] = (_, value, arguments) => ToFloat(value) ?? arguments.Get(0, "default", 0.0),
        ["format"] = (_, value, arguments) => PercentFormat.Apply(Text.Of(value), new TupleValue(arguments.Positional)),
        ["indent"] = (_, value, arguments) => Indent(Text.Of(value), arguments),
        ["int"] = (_, value, arguments) => ToInteger(value, arguments.Integer(1, "base", 10)) ?? arguments.Get(0, "default", 0L),
        ["lower"] = (_, value, _) => Text.Of(value).ToLowerInvariant(),
        ["replace"] = (_, value, arguments) => Methods.Replace(Text.Of(value), Text.Of(arguments.Required(0, "old")), Text.Of(arguments.Required(1, "new")), arguments.Integer(2, "count", -1)),
        ["round"] = (_, value, arguments) => Round(value, arguments),
        ["safe"] = (_, value, _) => Text.Of(value),
        ["string"] = (_, value, _) => Text.Of(value),
        ["title"] = (_, value, _) => Methods.Title(Text.Of(value), apostropheBreaks: false),
        ["tojson"] = (_, value, arguments) => ToJson(value, arguments),
        ["trim"] = (_, value, arguments) => Methods.Strip(Text.Of(value), arguments.Get(0, "chars"), left: true, right: true),
        ["truncate"] = (_, value, arguments) => Truncate(Text.Of(value), arguments),
        ["upper"] = (_, value, _) => Text.Of(value).ToUpperInvariant(),
        ["wordcount"] = (_, value, _) => WordCount(Text.Of(value)),

        ["batch"] = (_, value, arguments) => SequenceFilters.Batch(value, arguments),
        ["count"] = (_, value, _) => Sequences.Length(value),
        ["dictsort"] = (_, value, arguments) => SequenceFilters.SortDict(value, arguments),
        ["first"] = (_, value, _) => Sequences.Items(value) is { Count: > 0 } items ? items[0] : new Undefined("first", "the sequence is empty"),
        ["groupby"] = (_, value, arguments) => SequenceFilters.GroupBy(value, arguments),
        ["items"] = (_, value, _) => value is Undefined ? new List<object?>() : SequenceFilters.Pairs(value),
        ["join"] = (_, value, arguments) => SequenceFilters.Join(value, arguments),
        ["last"] = (_, value, _) => Sequences.Items(value) is { Count: > 0 } items ? items[^1] : new Undefined("last", "the sequence is empty"),
        ["length"] = (_, value, _) => Sequences.Length(value),
        ["list"] = (_, value, _) => new List<object?>(Sequences.Items(value)),
        ["map"] = SequenceFilters.Map,
        ["max"] = (_, value, arguments) => SequenceFilters.Extreme(value, arguments, sign: 1),
        ["min"] = (_, value, arguments) => SequenceFilters.Extreme(value, arguments, sign: -1),
        ["reject"] = (_, value, arguments) => SequenceFilters.Select(value, arguments, byAttribute: false, keeps: false),
        ["rejectattr"] = (_, value, arguments) => SequenceFilters.Select(value, arguments, byAttribute: true, keeps: false),
        ["reverse"] = (_, value, _) => value is string ? Sequences.Slice(value, null, null, -1) : Enumerable.Reverse(Sequences.Items(value)).ToList(),
        ["select"] = (_, value, arguments) => SequenceFilters.Select(value, arguments, byAttribute: false, keeps: true),
        ["selectattr"] = (_, value, arguments) => SequenceFilters.Select(value, arguments, byAttribute: true, keeps: true),
        ["sort"] = (_, value, arguments) => SequenceFilters.Sort(value, arguments),
        ["sum"] = (_, value, arguments) => SequenceFilters.Sum(value, arguments),
        ["unique"] = (_, value, arguments) => SequenceFilters.Unique(value, arguments),
    };

    public static bool Exists(string name) => s_filters.ContainsKey(name);

    public static object? Run(Evaluator evaluator, string name, object? value, Arguments arguments) =>
        s_filters.TryGetValue(name, out Filter? filter) ? filter(evaluator, value, arguments) : throw new TemplateError($"there is no filter named '{name}'");

    private static object? Default(Evaluator evaluator, object? value, Arguments arguments) =>
        value is Undefined || arguments.Flag(1, "boolean") && !Operations.IsTrue(value) ? arguments.Get(0, "default_value", "") : value;

    /// <summary>Unlike value.name, never an item.</summary>
    private static object? Attribute(object? value, string name) => value is DictValue
        ? (object?)Methods.Find(value, name) ?? new Undefined(name, $"'dict object' has no attribute '{name}'")
        : Evaluator.Attribute(value, name);

    private static long WordCount(string text)
    {
        long count = 0;
        bool isInWord = false;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            bool isWord = Patterns.CodePoint.IsWord(rune.Value);
            count += isWord && !isInWord ? 1 : 0;
            isInWord = isWord;
        }

        return count;
    }

    private static object Number(object? value) => Operations.IsNumber(value) ? value! : throw new TemplateError($"a number is expected, not {Operations.TypeName(value)}");

    private static object? ToFloat(object? value) => value switch
    {
        _ when Operations.IsNumber(value) => Operations.ToDouble(value!),
        string text when double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => null,
    };

    private static object? ToInteger(object? value, int numberBase)
    {
        switch (value)
        {
            case double number:
                return double.IsFinite(number) ? Operations.Shrink(new System.Numerics.BigInteger(number)) : null;
            case string text when numberBase is 2 or 8 or 16:
                text = text.Trim();
                text = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) || text.StartsWith("0b", StringComparison.OrdinalIgnoreCase) || text.StartsWith("0o", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
                try
                {
                    return Convert.ToInt64(text, numberBase);
                }
                catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
                {
                    return null;
                }

            case string text:
                return System.Numerics.BigInteger.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var big) ? Operations.Shrink(big)
                    : ToFloat(text) is double parsed ? ToInteger(parsed, 10) : null;
            case bool flag:
                return flag ? 1L : 0L;
            default:
                return Operations.IsNumber(value) ? value : null;
        }
    }

    private static object Round(object? value, Arguments arguments)
    {
        int precision = Math.Clamp(arguments.Integer(0, "precision", 0), -15, 15);
        double scale = Math.Pow(10, precision);
        double number = Operations.ToDouble(Number(value));
        return arguments.Text(1, "method", "common") switch
        {
            "common" => precision >= 0 ? Math.Round(number, precision, MidpointRounding.ToEven) : Math.Round(number * scale, MidpointRounding.ToEven) / scale,
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            string other => throw new TemplateError($"round: method '{other}'; allowed: common, ceil, floor"),
        };
    }

    private static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);

    private static string Indent(string text, Arguments arguments)
    {
        string margin = arguments.Get(0, "width", 4L) is string given ? given : new string(' ', Math.Clamp(arguments.Integer(0, "width", 4), 0, 1000));
        bool first = arguments.Flag(1, "first");
        bool blank = arguments.Flag(2, "blank");
        string[] lines = text.Split('\n');
        for (int i = first ? 0 : 1; i < lines.Length; i++)
        {
            lines[i] = blank || lines[i].Length > 0 || i == 0 ? margin + lines[i] : lines[i];
        }

        return string.Join('\n', lines);
    }

    private static string ToJson(object? value, Arguments arguments)
    {
        string? indent = arguments.Get(1, "indent") switch
        {
            null => null,
            string text => text,
            { } width => new string(' ', Math.Clamp(Operations.ToIndex(width, "indent"), 0, 100)),
        };
        (string itemSeparator, string keySeparator) = (indent is null ? ", " : ",", ": ");
        if (arguments.Get(2, "separators") is List<object?> { Count: 2 } separators)
        {
            (itemSeparator, keySeparator) = (Text.Of(separators[0]), Text.Of(separators[1]));
        }

        return Text.Json(value, indent, itemSeparator, keySeparator, arguments.Flag(0, "ensure_ascii"), arguments.Flag(3, "sort_keys"));
    }

    private static string Truncate(string text, Arguments arguments)
    {
        int length = Math.Max(0, arguments.Integer(0, "length", 255));
        string end = arguments.Text(2, "end", "...");
        if (text.Length <= length + Math.Max(0, arguments.Integer(3, "leeway", 5)))
        {
            return text;
        }

        string cut = text[..Math.Max(0, length - end.Length)];
        int blank = cut.LastIndexOf(' ');
        return (arguments.Flag(1, "killwords") || blank < 0 ? cut : cut[..blank]) + end;
    }
}
