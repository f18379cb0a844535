namespace SgLang.Profiling;

/// <summary>Names that differ only in the numbers in them, as those of a model's layers do, are of one kind. Used by one thread.</summary>
internal sealed class NameKinds(IReadOnlyList<TraceName> names)
{
    private readonly Dictionary<string, int> _kinds = new(StringComparer.Ordinal);
    private readonly Dictionary<int, int> _ofName = [];

    /// <summary>The same number for all names of a kind; -1 for what is no name.</summary>
    public int Of(int name)
    {
        if (name < 0 || name >= names.Count) return -1;
        if (_ofName.TryGetValue(name, out int kind)) return kind;
        string text = string.Concat(names[name].Text.Where(c => !char.IsAsciiDigit(c)));
        if (!_kinds.TryGetValue(text, out kind)) _kinds.Add(text, kind = _kinds.Count);
        _ofName.Add(name, kind);
        return kind;
    }
}
