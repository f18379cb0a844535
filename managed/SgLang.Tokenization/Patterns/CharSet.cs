using System.Globalization;
using System.Text;

namespace SgLang.Tokenization.Patterns;

/// <summary>A set of code points: ranges, general categories, predicates and nested sets, perhaps negated or intersected.</summary>
internal sealed class CharSet
{
    private readonly List<(int First, int Last)> _ranges = [];
    private readonly List<CharSet> _members = [];
    private int _categories;
    private bool _space;
    private bool _word;
    private CharSet? _intersection;
    private ulong _asciiLow;
    private ulong _asciiHigh;

    public bool Negated { get; set; }

    /// <summary>Case-insensitive: a code point is in the set when one of its simple case variants is.</summary>
    public bool IgnoreCase { get; set; }

    public static CharSet Of(int codePoint) => new CharSet().AddRange(codePoint, codePoint);

    public CharSet AddRange(int first, int last)
    {
        _ranges.Add((first, last));
        return this;
    }

    public CharSet AddSpace()
    {
        _space = true;
        return this;
    }

    public CharSet AddWord()
    {
        _word = true;
        return this;
    }

    public CharSet AddCategory(UnicodeCategory category)
    {
        _categories |= 1 << (int)category;
        return this;
    }

    public CharSet AddSet(CharSet set)
    {
        _members.Add(set);
        return this;
    }

    public void Intersect(CharSet other) => _intersection = other;

    /// <summary>Precomputes the ASCII part. Call once the set is complete; nothing may be added afterwards.</summary>
    public CharSet Freeze()
    {
        _members.ForEach(member => member.Freeze());
        _intersection?.Freeze();
        for (int c = 0; c < 64; c++)
        {
            _asciiLow |= Compute(c) ? 1UL << c : 0;
            _asciiHigh |= Compute(c + 64) ? 1UL << c : 0;
        }

        return this;
    }

    public bool Contains(int codePoint) =>
        codePoint < 64 ? (_asciiLow >> codePoint & 1) != 0
        : codePoint < 128 ? (_asciiHigh >> (codePoint - 64) & 1) != 0
        : Compute(codePoint);

    private bool Compute(int codePoint)
    {
        bool isMember = HasMember(codePoint);
        if (!isMember && IgnoreCase)
        {
            foreach (int variant in Variants(codePoint))
            {
                isMember |= HasMember(variant);
            }
        }

        return (isMember && (_intersection?.Compute(codePoint) ?? true)) != Negated;
    }

    private bool HasMember(int codePoint)
    {
        foreach ((int first, int last) in _ranges)
        {
            if (codePoint >= first && codePoint <= last)
            {
                return true;
            }
        }

        if (_categories != 0 && (_categories >> (int)CharUnicodeInfo.GetUnicodeCategory(codePoint) & 1) != 0
            || _space && CodePoint.IsWhiteSpace(codePoint) || _word && CodePoint.IsWord(codePoint))
        {
            return true;
        }

        foreach (CharSet member in _members)
        {
            if (member.Compute(codePoint))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Other code points with the same simple case folding.</summary>
    private static IEnumerable<int> Variants(int codePoint)
    {
        if (!Rune.TryCreate(codePoint, out Rune rune))
        {
            yield break;
        }

        int upper = Rune.ToUpperInvariant(rune).Value;
        yield return upper;
        yield return Rune.ToLowerInvariant(rune).Value;
        yield return Rune.ToLowerInvariant(new Rune(upper)).Value;
        switch (upper)
        {
            case 'K' or 0x212A:
                yield return 'K';
                yield return 'k';
                yield return 0x212A; // KELVIN SIGN
                break;
            case 'S' or 0x17F:
                yield return 'S';
                yield return 's';
                yield return 0x17F; // LATIN SMALL LETTER LONG S
                break;
        }
    }
}
