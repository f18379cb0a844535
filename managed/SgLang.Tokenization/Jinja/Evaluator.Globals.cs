namespace SgLang.Tokenization.Jinja;

internal sealed partial class Evaluator
{
    /// <summary>Jinja's own global functions and the two that transformers adds.</summary>
    private void AddGlobals(Scope scope)
    {
        Add("range", MakeRange);
        Add("dict", arguments => MakeDict(arguments, "dict"));
        Add("namespace", MakeNamespace);
        Add("joiner", arguments =>
        {
            string separator = arguments.Text(0, "sep", ", ");
            bool isUsed = false;
            return new FunctionValue("joiner", _ =>
            {
                string text = isUsed ? separator : "";
                isUsed = true;
                return text;
            });
        });
        Add("raise_exception", arguments => throw new TemplateError(Text.Of(arguments.Required(0, "message"))) { IsRaised = true });
        Add("strftime_now", arguments => TimeFormat.Format(_time.GetLocalNow(), arguments.Text(0, "format")));
        void Add(string name, Func<Arguments, object?> body) => scope.Set(name, new FunctionValue(name, body));
    }

    private static List<object?> MakeRange(Arguments arguments)
    {
        long start = arguments.Count > 1 ? arguments.Integer(0, "start") : 0;
        long stop = arguments.Integer(arguments.Count > 1 ? 1 : 0, "stop");
        long step = arguments.Integer(2, "step", 1);
        if (step == 0)
        {
            throw new TemplateError("range: the step cannot be 0");
        }

        long count = Math.Max(0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
        if (count > Sequences.MaxRange)
        {
            throw new TemplateError($"range: {count} items are more than the {Sequences.MaxRange} allowed");
        }

        var items = new List<object?>((int)count);
        for (long i = 0; i < count; i++)
        {
            items.Add(start + i * step);
        }

        return items;
    }

    private static DictValue MakeDict(Arguments arguments, string name)
    {
        var dict = new DictValue();
        switch (arguments.Get(0, name))
        {
            case DictValue source:
                foreach ((object? key, object? value) in source.Items)
                {
                    dict.Set(key, value);
                }

                break;
            case List<object?> pairs:
                foreach (object? pair in pairs)
                {
                    List<object?> items = Sequences.Items(pair);
                    dict.Set(items.Count == 2 ? items[0] : throw new TemplateError($"{name}: pairs of key and value are expected"), items[1]);
                }

                break;
        }

        foreach ((string key, object? value) in arguments.Named)
        {
            dict.Set(key, value);
        }

        return dict;
    }

    private static NamespaceValue MakeNamespace(Arguments arguments)
    {
        var space = new NamespaceValue();
        foreach ((object? key, object? value) in MakeDict(arguments, "namespace").Items)
        {
            space.Attributes[Text.Of(key)] = value;
        }

        return space;
    }
}
