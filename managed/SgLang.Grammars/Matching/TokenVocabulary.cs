namespace SgLang.Grammars.Matching;

/// <summary>What each token of a vocabulary writes, for matching grammars against tokens. Immutable; shared by all grammars of an engine.</summary>
public sealed class TokenVocabulary
{
    /// <param name="size">Width of the logits; ids from the tables' ends on are never allowed.</param>
    /// <param name="bytes">By id: the bytes a token adds to the text; null or empty for one that a grammar never allows.</param>
    /// <param name="firstBytes">The same for the first token of an output where that differs (a leading blank that decoding drops), else null.</param>
    public TokenVocabulary(int size, IReadOnlyList<byte[]?> bytes, IReadOnlyList<byte[]?>? firstBytes = null)
    {
        Size = size;
        Bytes = bytes;
        FirstBytes = firstBytes;
        Tokens = new TokenTrie(bytes);
        FirstTokens = firstBytes is null ? Tokens : new TokenTrie(firstBytes);
    }

    public int Size { get; }

    /// <summary>32-bit words of a mask: bit id % 32 of word id / 32 allows the id.</summary>
    public int MaskWords => (Size + 31) / 32;
    internal IReadOnlyList<byte[]?> Bytes { get; }
    internal IReadOnlyList<byte[]?>? FirstBytes { get; }
    internal TokenTrie Tokens { get; }
    internal TokenTrie FirstTokens { get; }

    internal ReadOnlySpan<byte> BytesOf(int id, bool isFirst)
    {
        IReadOnlyList<byte[]?> table = isFirst && FirstBytes is not null ? FirstBytes : Bytes;
        return (uint)id < (uint)table.Count ? table[id] : [];
    }
}
