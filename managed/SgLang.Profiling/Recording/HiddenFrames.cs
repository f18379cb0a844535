namespace SgLang.Profiling;

/// <summary>Types whose methods are left out at the inner end of a call stack, because they only record on behalf of their callers. Thread safe.</summary>
internal sealed class HiddenFrames
{
    private readonly Lock _gate = new();
    private readonly HashSet<string> _types = new(StringComparer.Ordinal);

    public void Add(string type)
    {
        lock (_gate) _types.Add(type);
    }

    public bool Contains(string type)
    {
        lock (_gate) return _types.Contains(type);
    }
}
