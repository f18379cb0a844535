namespace SgLang.Profiling;

/// <summary>A registered name and the names of its arguments, at most four.</summary>
public sealed record TraceName(string Text, string[] Arguments);

/// <summary>Names by small numbers, so that a record holds no reference. Grows by registration only; thread safe.</summary>
public sealed class TraceNames
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<TraceName> _names = [];

    /// <summary>The id of a name; registering it again gives the same id and keeps the first arguments.</summary>
    public int Register(string text, params string[] arguments)
    {
        if (arguments.Length > 4) throw new ArgumentException($"a span has at most 4 arguments, '{text}' has {arguments.Length}");
        lock (_gate)
        {
            if (_ids.TryGetValue(text, out int known)) return known;
            _ids.Add(text, _names.Count);
            _names.Add(new TraceName(text, arguments));
            return _names.Count - 1;
        }
    }

    public TraceName[] Snapshot()
    {
        lock (_gate) return [.. _names];
    }
}
