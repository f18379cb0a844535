namespace SgLang.Tokenization.Jinja;

/// <summary>Filters that take or make sequences.</summary>
internal static class SequenceFilters
{
    public static List<object?> Pairs(object? value) => value is DictValue dict
        ? [.. dict.Items.Select(item => new TupleValue([item.Key, item.Value]))]
        : throw new TemplateError($"a dict is expected, not {Operations.TypeName(value)}");

    public static List<object?> Batch(object? value, Arguments arguments)
    {
        int size = Math.Max(1, arguments.Integer(0, "linecount"));
        List<object?> batches = [.. Sequences.Items(value).Chunk(size).Select(chunk => (object?)chunk.ToList())];
        if (arguments.Has(1, "fill_with") && batches.Count > 0 && batches[^1] is List<object?> last)
        {
            last.AddRange(Enumerable.Repeat(arguments.Get(1, "fill_with"), Math.Min(size, Sequences.MaxRange) - Math.Min(last.Count, size)));
        }

        return batches;
    }

    public static List<object?> SortDict(object? value, Arguments arguments)
    {
        bool caseSensitive = arguments.Flag(0, "case_sensitive");
        int by = arguments.Text(1, "by", "key") switch
        {
            "key" => 0,
            "value" => 1,
            string other => throw new TemplateError($"dictsort: by '{other}'; allowed: key, value"),
        };
        return Ordered(Pairs(value), pair => Fold(((TupleValue)pair!)[by], caseSensitive), arguments.Flag(2, "reverse"));
    }

    public static List<object?> Sort(object? value, Arguments arguments)
    {
        bool caseSensitive = arguments.Flag(1, "case_sensitive");
        Func<object?, object?> getter = Getter(arguments.Get(2, "attribute"));
        return Ordered(Sequences.Items(value), item => Fold(getter(item), caseSensitive), arguments.Flag(0, "reverse"));
    }

    public static List<object?> Unique(object? value, Arguments arguments)
    {
        bool caseSensitive = arguments.Flag(0, "case_sensitive");
        Func<object?, object?> getter = Getter(arguments.Get(1, "attribute"));
        var seen = new DictValue();
        var kept = new List<object?>();
        foreach (object? item in Sequences.Items(value))
        {
            object? key = Fold(getter(item), caseSensitive);
            key = key is List<object?> or DictValue ? Text.Repr(key) : key;
            if (!seen.TryGet(key, out _))
            {
                seen.Set(key, null);
                kept.Add(item);
            }
        }

        return kept;
    }

    public static List<object?> GroupBy(object? value, Arguments arguments)
    {
        Func<object?, object?> getter = Getter(arguments.Required(0, "attribute"));
        object? fallback = arguments.Get(1, "default");
        object? KeyOf(object? item) => getter(item) is var key && key is Undefined && fallback is not null ? fallback : key;
        var groups = new List<object?>();
        foreach (object? item in Ordered(Sequences.Items(value), item => Fold(KeyOf(item), caseSensitive: false), reverse: false))
        {
            object? key = KeyOf(item);
            if (groups.Count > 0 && groups[^1] is TupleValue last && Operations.AreEqual(Fold(last[0], false), Fold(key, false)))
            {
                ((List<object?>)last[1]!).Add(item);
            }
            else
            {
                groups.Add(new TupleValue([key, new List<object?> { item }]));
            }
        }

        return groups;
    }

    public static string Join(object? value, Arguments arguments)
    {
        string separator = Text.Of(arguments.Get(0, "d", ""));
        Func<object?, object?> getter = Getter(arguments.Get(1, "attribute"));
        return string.Join(separator, Sequences.Items(value).Select(item => Text.Of(getter(item))));
    }

    public static object? Map(Evaluator evaluator, object? value, Arguments arguments)
    {
        if (arguments.Named.TryGetValue("attribute", out object? attribute))
        {
            Func<object?, object?> getter = Getter(attribute);
            bool hasDefault = arguments.Named.TryGetValue("default", out object? fallback);
            return Sequences.Items(value).Select(item => getter(item) is var member && member is Undefined && hasDefault ? fallback : member).ToList();
        }

        string name = arguments.Text(0, "filter");
        var rest = new Arguments();
        rest.Positional.AddRange(arguments.Positional.Skip(1));
        foreach ((string key, object? argument) in arguments.Named)
        {
            rest.Named[key] = argument;
        }

        return Sequences.Items(value).Select(item => Filters.Run(evaluator, name, item, rest)).ToList();
    }

    /// <summary>select, selectattr and their negatives: without a test the value's truth decides.</summary>
    public static List<object?> Select(object? value, Arguments arguments, bool byAttribute, bool keeps)
    {
        Func<object?, object?> getter = byAttribute ? Getter(arguments.Required(0, "attribute")) : item => item;
        int testIndex = byAttribute ? 1 : 0;
        if (arguments.Count <= testIndex)
        {
            return [.. Sequences.Items(value).Where(item => Operations.IsTrue(getter(item)) == keeps)];
        }

        string test = arguments.Text(testIndex, "test");
        var rest = new Arguments();
        rest.Positional.AddRange(arguments.Positional.Skip(testIndex + 1));
        return [.. Sequences.Items(value).Where(item => Tests.Run(test, getter(item), rest) == keeps)];
    }

    public static object? Sum(object? value, Arguments arguments)
    {
        Func<object?, object?> getter = Getter(arguments.Get(0, "attribute"));
        return Sequences.Items(value).Aggregate(arguments.Get(1, "start", 0L), (sum, item) => Operations.Binary("+", sum, getter(item)));
    }

    public static object? Extreme(object? value, Arguments arguments, int sign)
    {
        bool caseSensitive = arguments.Flag(0, "case_sensitive");
        Func<object?, object?> getter = Getter(arguments.Get(1, "attribute"));
        List<object?> items = Sequences.Items(value);
        if (items.Count == 0)
        {
            return new Undefined("", "the sequence is empty");
        }

        return items.Aggregate((best, item) => sign * Operations.Compare(Fold(getter(item), caseSensitive), Fold(getter(best), caseSensitive)) > 0 ? item : best);
    }

    /// <summary>Stable; a reversed order keeps equals in place too, as Python's does.</summary>
    private static List<object?> Ordered(List<object?> items, Func<object?, object?> key, bool reverse)
    {
        var comparer = Comparer<object?>.Create((a, b) => reverse ? Operations.Compare(b, a) : Operations.Compare(a, b));
        try
        {
            return [.. items.OrderBy(key, comparer)];
        }
        catch (InvalidOperationException e) when (e.InnerException is TemplateError inner)
        {
            throw new TemplateError(inner.Message);
        }
    }

    private static object? Fold(object? value, bool caseSensitive) => value is string text && !caseSensitive ? text.ToLowerInvariant() : value;

    /// <summary>An attribute path such as "function.name" or "0"; null takes the item itself.</summary>
    private static Func<object?, object?> Getter(object? attribute)
    {
        if (attribute is null)
        {
            return item => item;
        }

        object?[] path = attribute is string text
            ? [.. text.Split('.').Select(part => long.TryParse(part, out long index) ? (object?)index : part)]
            : [attribute];
        return item => path.Aggregate(item, (value, part) => value is Undefined ? value : Evaluator.Index(value, part));
    }
}
