namespace SgLang.Grammars.Matching;

/// <summary>
/// The byte strings of tokens as a prefix tree in depth-first order: a walk is a scan of arrays, and a subtree that cannot match is
/// skipped by one jump.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] _byte;
    private readonly short[] _depth;
    private readonly int[] _parent;
    private readonly int[] _end;
    private readonly int[] _tokenStart;
    private readonly int[] _tokens;

    public TokenTrie(IReadOnlyList<byte[]?> bytes)
    {
        int[] ids = [.. Enumerable.Range(0, bytes.Count).Where(id => bytes[id] is { Length: > 0 and < short.MaxValue })];
        Array.Sort(ids, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is var order and not 0 ? order : a.CompareTo(b));
        var value = new List<byte>();
        var depth = new List<short>();
        var parent = new List<int>();
        var tokenStart = new List<int>();
        var path = new List<int>();
        byte[] previous = [];
        for (int i = 0; i < ids.Length; i++)
        {
            byte[] text = bytes[ids[i]]!;
            int common = text.AsSpan().CommonPrefixLength(previous);
            path.RemoveRange(common, path.Count - common);
            for (int d = common; d < text.Length; d++)
            {
                parent.Add(d == 0 ? -1 : path[d - 1]);
                path.Add(value.Count);
                value.Add(text[d]);
                depth.Add((short)d);
                tokenStart.Add(i);
            }
            previous = text;
        }
        tokenStart.Add(ids.Length);
        (_byte, _depth, _parent, _tokenStart, _tokens) = ([.. value], [.. depth], [.. parent], [.. tokenStart], ids);
        _end = new int[_byte.Length];
        MaxDepth = 0;
        var open = new Stack<int>();
        for (int node = 0; node <= _byte.Length; node++)
        {
            while (open.TryPeek(out int last) && (node == _byte.Length || _depth[last] >= _depth[node])) _end[open.Pop()] = node;
            if (node == _byte.Length) break;
            open.Push(node);
            MaxDepth = Math.Max(MaxDepth, _depth[node] + 1);
        }
    }

    public int NumNodes => _byte.Length;

    /// <summary>Bytes of the longest token.</summary>
    public int MaxDepth { get; }

    public byte Byte(int node) => _byte[node];

    /// <summary>0 for a first byte.</summary>
    public int Depth(int node) => _depth[node];

    /// <summary>-1 for a first byte.</summary>
    public int Parent(int node) => _parent[node];

    /// <summary>The node after the subtree of <paramref name="node"/>.</summary>
    public int End(int node) => _end[node];

    /// <summary>Tokens that end at the node, several if they write the same. Nodes come in the order of their tokens, so the next node's begin where they end.</summary>
    public ReadOnlySpan<int> Tokens(int node) => _tokens.AsSpan(_tokenStart[node], _tokenStart[node + 1] - _tokenStart[node]);
}
