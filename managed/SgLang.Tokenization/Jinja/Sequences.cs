using SgLang.Tokenization.Patterns;

namespace SgLang.Tokenization.Jinja;

/// <summary>Iterating, indexing and slicing. Strings count in code points, as Python's do.</summary>
internal static class Sequences
{
    /// <summary>The reference's sandbox refuses longer ranges.</summary>
    public const int MaxRange = 100_000;

    /// <summary>The items of anything iterable; of a dict, its keys.</summary>
    public static List<object?> Items(object? value) => value switch
    {
        List<object?> list => list,
        DictValue dict => [.. dict.Keys],
        string text => Characters(text),
        Undefined => [],
        _ => throw new TemplateError($"'{Operations.TypeName(value)}' cannot be iterated"),
    };

    public static bool IsIterable(object? value) => value is List<object?> or DictValue or string or Undefined;

    public static long Length(object? value) => value switch
    {
        string text => HasSurrogates(text) ? text.EnumerateRunes().Count() : text.Length,
        List<object?> list => list.Count,
        DictValue dict => dict.Count,
        Undefined => 0,
        _ => throw new TemplateError($"'{Operations.TypeName(value)}' has no length"),
    };

    /// <summary>Null when there is no such item.</summary>
    public static (bool Found, object? Value) At(object? value, long index)
    {
        if (value is string text)
        {
            string scalar = HasSurrogates(text) ? text : "";
            if (scalar.Length == 0)
            {
                index += index < 0 ? text.Length : 0;
                return index >= 0 && index < text.Length ? (true, text[(int)index].ToString()) : (false, null);
            }

            value = Characters(text);
        }

        if (value is not List<object?> list)
        {
            return (false, null);
        }

        index += index < 0 ? list.Count : 0;
        return index >= 0 && index < list.Count ? (true, list[(int)index]) : (false, null);
    }

    public static object? Slice(object? value, int? start, int? stop, int? step)
    {
        int by = step ?? 1;
        if (by == 0)
        {
            throw new TemplateError("a slice's step cannot be 0");
        }

        List<object?> items = value switch
        {
            string text => Characters(text),
            List<object?> list => list,
            Undefined undefined => throw new TemplateError(undefined.Reason),
            _ => throw new TemplateError($"'{Operations.TypeName(value)}' cannot be sliced"),
        };
        (int from, int to) = Bounds(items.Count, start, stop, by);
        var result = new List<object?>();
        for (long i = from; by > 0 ? i < to : i > to; i += by)
        {
            result.Add(items[(int)i]);
        }

        return value is string ? string.Concat(result) : value is TupleValue ? new TupleValue(result) : result;
    }

    private static (int From, int To) Bounds(int count, int? start, int? stop, int step)
    {
        int low = step > 0 ? 0 : -1;
        int high = step > 0 ? count : count - 1;
        int Clamp(int bound) => bound < 0 ? (int)Math.Max((long)bound + count, low) : Math.Min(bound, high);
        return (start is { } s ? Clamp(s) : step > 0 ? low : high, stop is { } e ? Clamp(e) : step > 0 ? high : low);
    }

    private static List<object?> Characters(string text)
    {
        text = CodePoint.Scrub(text);
        var characters = new List<object?>(text.Length);
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            characters.Add(rune.ToString());
        }

        return characters;
    }

    private static bool HasSurrogates(string text) => text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');
}
