namespace SgLang.Tokenization.Bpe;

/// <summary>Ids of recently seen words: a fixed number of slots, each overwritten by the next word that lands there. Entries are immutable, so no lock.</summary>
internal sealed class WordCache
{
    private const int SlotCount = 1 << 14;

    /// <summary>Longer words are rarely seen twice and would make the cache's size unbounded.</summary>
    private const int MaxWordLength = 64;

    private readonly Entry?[] _slots = new Entry?[SlotCount];

    public bool TryGet(ReadOnlySpan<char> word, out ReadOnlySpan<int> ids)
    {
        Entry? entry = word.Length <= MaxWordLength ? Volatile.Read(ref _slots[Slot(word)]) : null;
        if (entry is null || !word.SequenceEqual(entry.Word))
        {
            ids = default;
            return false;
        }

        ids = entry.Ids;
        return true;
    }

    public void Put(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (word.Length <= MaxWordLength)
        {
            Volatile.Write(ref _slots[Slot(word)], new Entry(word.ToString(), ids.ToArray()));
        }
    }

    // Randomised per process, so nobody can aim words at one slot.
    private static int Slot(ReadOnlySpan<char> word) => string.GetHashCode(word) & SlotCount - 1;

    private sealed record Entry(string Word, int[] Ids);
}
