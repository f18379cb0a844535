using System.Globalization;
using System.Text;

namespace SgLang.Tokenization.Jinja;

/// <summary>Python's methods of str, dict and list that templates may call. Nothing here changes its object: the reference's sandbox forbids that too.</summary>
internal static class Methods
{
    /// <summary>Null when the value has no method of that name.</summary>
    public static FunctionValue? Find(object? value, string name)
    {
        Func<Arguments, object?>? body = value switch
        {
            string text => OfString(text, name),
            DictValue dict => OfDict(dict, name),
            List<object?> list => OfList(list, name),
            _ => null,
        };
        return body is null ? null : new FunctionValue(name, body);
    }

    private static Func<Arguments, object?>? OfDict(DictValue dict, string name) => name switch
    {
        "items" => _ => SequenceFilters.Pairs(dict),
        "keys" => _ => dict.Keys.ToList(),
        "values" => _ => dict.Values.ToList(),
        "get" => arguments => dict.TryGet(arguments.Required(0, "key"), out object? value) ? value : arguments.Get(1, "default"),
        "copy" => _ => dict,
        "update" or "pop" or "setdefault" or "clear" or "popitem" => Forbidden(name),
        _ => null,
    };

    private static Func<Arguments, object?>? OfList(List<object?> list, string name) => name switch
    {
        "count" => arguments => (long)list.Count(item => Operations.AreEqual(item, arguments.Required(0, "value"))),
        "index" => arguments => list.FindIndex(item => Operations.AreEqual(item, arguments.Required(0, "value"))) is >= 0 and var index
            ? (long)index : throw new TemplateError("the value is not in the list"),
        "copy" => _ => new List<object?>(list),
        "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" => Forbidden(name),
        _ => null,
    };

    private static Func<Arguments, object?> Forbidden(string name) => _ => throw new TemplateError($"{name}() would change its object, which a template may not");

    private static Func<Arguments, object?>? OfString(string text, string name) => name switch
    {
        "strip" => arguments => Strip(text, arguments.Get(0, "chars"), left: true, right: true),
        "lstrip" => arguments => Strip(text, arguments.Get(0, "chars"), left: true, right: false),
        "rstrip" => arguments => Strip(text, arguments.Get(0, "chars"), left: false, right: true),
        "split" => arguments => Split(text, arguments.Get(0, "sep") as string, arguments.Integer(1, "maxsplit", -1), fromRight: false),
        "rsplit" => arguments => Split(text, arguments.Get(0, "sep") as string, arguments.Integer(1, "maxsplit", -1), fromRight: true),
        "splitlines" => arguments => SplitLines(text, arguments.Flag(0, "keepends")),
        "startswith" => arguments => Affixes(arguments).Any(affix => text.StartsWith(affix, StringComparison.Ordinal)),
        "endswith" => arguments => Affixes(arguments).Any(affix => text.EndsWith(affix, StringComparison.Ordinal)),
        "removeprefix" => arguments => text.StartsWith(arguments.Text(0, "prefix"), StringComparison.Ordinal) ? text[arguments.Text(0, "prefix").Length..] : text,
        "removesuffix" => arguments => arguments.Text(0, "suffix") is { Length: > 0 } suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        "replace" => arguments => Replace(text, arguments.Text(0, "old"), arguments.Text(1, "new"), arguments.Integer(2, "count", -1)),
        "upper" => _ => text.ToUpperInvariant(),
        "lower" or "casefold" => _ => text.ToLowerInvariant(),
        "title" => _ => Title(text, apostropheBreaks: true),
        "capitalize" => _ => Capitalize(text),
        "swapcase" => _ => string.Concat(text.Select(c => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c))),
        "find" => arguments => (long)text.IndexOf(arguments.Text(0, "sub"), StringComparison.Ordinal),
        "rfind" => arguments => (long)text.LastIndexOf(arguments.Text(0, "sub"), StringComparison.Ordinal),
        "index" => arguments => text.IndexOf(arguments.Text(0, "sub"), StringComparison.Ordinal) is >= 0 and var at ? (long)at : throw new TemplateError("substring not found"),
        "count" => arguments => Count(text, arguments.Text(0, "sub")),
        "join" => arguments => string.Join(text, Sequences.Items(arguments.Required(0, "iterable"))
            .Select(item => item as string ?? throw new TemplateError($"join: a string is expected, not {Operations.TypeName(item)}"))),
        "partition" => arguments => Partition(text, arguments.Text(0, "sep"), fromRight: false),
        "rpartition" => arguments => Partition(text, arguments.Text(0, "sep"), fromRight: true),
        "format" => arguments => Format(text, arguments),
        "isdigit" => _ => All(text, char.IsDigit),
        "isnumeric" or "isdecimal" => _ => All(text, char.IsNumber),
        "isalpha" => _ => All(text, char.IsLetter),
        "isalnum" => _ => All(text, char.IsLetterOrDigit),
        "isspace" => _ => All(text, char.IsWhiteSpace),
        "isupper" => _ => text.Any(char.IsLetter) && text == text.ToUpperInvariant(),
        "islower" => _ => text.Any(char.IsLetter) && text == text.ToLowerInvariant(),
        "zfill" => arguments => ZeroFill(text, Width(arguments)),
        "ljust" => arguments => text.PadRight(Width(arguments), Fill(arguments)),
        "rjust" => arguments => text.PadLeft(Width(arguments), Fill(arguments)),
        "center" => arguments => Center(text, Width(arguments), Fill(arguments)),
        _ => null,
    };

    public static string Strip(string text, object? chars, bool left, bool right)
    {
        char[]? set = chars is string given ? given.ToCharArray() : null;
        if (set is { Length: 0 })
        {
            return text; // Trim would take an empty set for whitespace
        }

        text = left ? text.TrimStart(set) : text;
        return right ? text.TrimEnd(set) : text;
    }

    public static string Replace(string text, string old, string replacement, int count)
    {
        if (count < 0 && old.Length > 0)
        {
            return text.Replace(old, replacement, StringComparison.Ordinal);
        }

        var result = new StringBuilder();
        int position = 0;
        for (int done = 0; count < 0 || done < count; done++)
        {
            // Python puts the replacement before every character when there is nothing to replace.
            int at = old.Length > 0 ? text.IndexOf(old, position, StringComparison.Ordinal) : done == 0 ? 0 : position + 1;
            if (at < 0 || at > text.Length)
            {
                break;
            }

            result.Append(text, position, at - position).Append(replacement);
            position = at + old.Length;
        }

        return result.Append(text, position, text.Length - position).ToString();
    }

    public static string Capitalize(string text) => text.Length == 0 ? text : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    /// <summary>Upper case after anything that is no letter. The filter (not the method) lets an apostrophe stand inside a word.</summary>
    public static string Title(string text, bool apostropheBreaks)
    {
        var result = new StringBuilder(text.Length);
        bool isInWord = false;
        foreach (char c in text)
        {
            result.Append(isInWord ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            isInWord = apostropheBreaks ? char.IsLetter(c) : !(char.IsWhiteSpace(c) || c is '-' or '(' or '{' or '[' or '<');
        }

        return result.ToString();
    }

    public static string Center(string text, int width, char fill)
    {
        width = Math.Min(width, Sequences.MaxRange);
        int margin = Math.Max(0, width - text.Length);
        int left = margin / 2 + (margin & width & 1);
        return new string(fill, left) + text + new string(fill, margin - left);
    }

    private static List<object?> Split(string text, string? separator, int limit, bool fromRight)
    {
        if (separator is null)
        {
            return SplitBlanks(text, limit, fromRight);
        }

        if (separator.Length == 0)
        {
            throw new TemplateError("split: the separator is empty");
        }

        string[] parts = text.Split(separator);
        if (limit < 0 || parts.Length <= limit + 1)
        {
            return [.. parts];
        }

        return fromRight
            ? [string.Join(separator, parts[..^limit]), .. parts[^limit..]]
            : [.. parts[..limit], string.Join(separator, parts[limit..])];
    }

    private static List<object?> SplitBlanks(string text, int limit, bool fromRight)
    {
        if (limit < 0)
        {
            return [.. text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];
        }

        var parts = new List<object?>();
        string rest = fromRight ? text.TrimEnd() : text.TrimStart();
        while (rest.Length > 0)
        {
            int blank = fromRight ? Array.FindLastIndex(rest.ToCharArray(), char.IsWhiteSpace) : Array.FindIndex(rest.ToCharArray(), char.IsWhiteSpace);
            if (parts.Count == limit || blank < 0)
            {
                parts.Add(rest);
                break;
            }

            parts.Add(fromRight ? rest[(blank + 1)..] : rest[..blank]);
            rest = fromRight ? rest[..blank].TrimEnd() : rest[blank..].TrimStart();
        }

        if (fromRight)
        {
            parts.Reverse();
        }

        return parts;
    }

    private static List<object?> SplitLines(string text, bool keepEnds)
    {
        var lines = new List<object?>();
        for (int start = 0; start < text.Length;)
        {
            int end = text.AsSpan(start).IndexOfAny("\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029");
            if (end < 0)
            {
                lines.Add(text[start..]);
                break;
            }

            end += start;
            int next = text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }

        return lines;
    }

    private static IEnumerable<string> Affixes(Arguments arguments) => arguments.Required(0, "prefix") switch
    {
        string one => [one],
        TupleValue several => several.OfType<string>(),
        var other => throw new TemplateError($"a string or a tuple of strings is expected, not {Operations.TypeName(other)}"),
    };

    private static long Count(string text, string part)
    {
        if (part.Length == 0)
        {
            return text.Length + 1;
        }

        long count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }

    private static TupleValue Partition(string text, string separator, bool fromRight)
    {
        int at = fromRight ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        if (separator.Length == 0)
        {
            throw new TemplateError("partition: the separator is empty");
        }

        object?[] missing = fromRight ? ["", "", text] : [text, "", ""];
        return new TupleValue(at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]] : missing);
    }

    /// <summary>str.format with {}, {0} and {name}; no format specifications.</summary>
    private static string Format(string text, Arguments arguments)
    {
        var result = new StringBuilder();
        int next = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is '{' or '}' && i + 1 < text.Length && text[i + 1] == text[i])
            {
                result.Append(text[i++]);
            }
            else if (text[i] == '{')
            {
                int close = text.IndexOf('}', i);
                string field = close < 0 ? throw new TemplateError("format: a brace is not closed") : text[(i + 1)..close];
                object? value = field.Length == 0 ? arguments.Required(next++, "")
                    : int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? arguments.Required(index, field)
                    : arguments.Named.TryGetValue(field, out object? named) ? named : throw new TemplateError($"format: no argument for {{{field}}}");
                result.Append(Text.Of(value));
                i = close;
            }
            else
            {
                result.Append(text[i]);
            }
        }

        return result.ToString();
    }

    private static bool All(string text, Func<char, bool> predicate) => text.Length > 0 && text.All(predicate);

    private static int Width(Arguments arguments) => Math.Clamp(arguments.Integer(0, "width"), 0, Sequences.MaxRange);

    private static char Fill(Arguments arguments) => arguments.Text(1, "fillchar", " ") is { Length: 1 } fill ? fill[0] : throw new TemplateError("the fill must be one character");

    private static string ZeroFill(string text, int width)
    {
        int sign = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        return text.Length >= width ? text : text[..sign] + new string('0', width - text.Length) + text[sign..];
    }
}
