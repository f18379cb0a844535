namespace SgLang.Grammars.Syntax;

/// <summary>A set of Unicode scalar values as rising, separate ranges. Surrogates are never members: UTF-8 cannot carry them.</summary>
internal sealed class CharSet
{
    public const int MaxChar = 0x10FFFF;

    public static readonly CharSet All = Of((0, MaxChar));

    private readonly (int First, int Last)[] _ranges;

    private CharSet((int First, int Last)[] ranges) => _ranges = ranges;

    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;
    public bool IsEmpty => _ranges.Length == 0;

    public static CharSet Of(params ReadOnlySpan<(int First, int Last)> ranges)
    {
        var sorted = new List<(int First, int Last)>();
        foreach ((int first, int last) in ranges)
        {
            // The gap of the surrogates splits a range that spans it.
            if (first < 0xD800) sorted.Add((first, Math.Min(last, 0xD7FF)));
            if (last > 0xDFFF) sorted.Add((Math.Max(first, 0xE000), last));
        }
        sorted.Sort();
        var merged = new List<(int First, int Last)>();
        foreach ((int first, int last) in sorted)
        {
            if (first > last) continue;
            if (merged.Count > 0 && first <= merged[^1].Last + 1) merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            else merged.Add((first, last));
        }
        return new CharSet([.. merged]);
    }

    public static CharSet Single(int c) => Of((c, c));

    public static CharSet Union(params ReadOnlySpan<CharSet> sets)
    {
        var all = new List<(int, int)>();
        foreach (CharSet set in sets) all.AddRange(set._ranges);
        return Of([.. all]);
    }

    public CharSet Complement()
    {
        var gaps = new List<(int, int)>();
        int next = 0;
        foreach ((int first, int last) in _ranges)
        {
            if (first > next) gaps.Add((next, first - 1));
            next = last + 1;
        }
        if (next <= MaxChar) gaps.Add((next, MaxChar));
        return Of([.. gaps]);
    }

    public CharSet Except(CharSet other) => Union(Complement(), other).Complement();

    public CharSet And(CharSet other) => Union(Complement(), other.Complement()).Complement();

    public bool Contains(int c)
    {
        int low = 0, high = _ranges.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (c < _ranges[middle].First) high = middle;
            else if (c > _ranges[middle].Last) low = middle + 1;
            else return true;
        }
        return false;
    }
}
