namespace SgLang.Profiling;

/// <summary>One event of a track. Block, At and NumBytes are of its encoded arguments in <see cref="PftraceBuffers"/>; a counter's End is its value's bits.</summary>
internal readonly record struct PftraceSlice(long Start, long End, int Track, int Name, int At, int NumBytes, ushort Block, ushort Category, byte Type);

/// <summary>What a rank is held in; kept from one rank to the next, because new memory each time would pile up until it is collected.</summary>
internal sealed class PftraceBuffers
{
    private const int BlockBytes = 1 << 20;

    private readonly List<byte[]> _blocks = [];
    private int _block;
    private int _blockEnd;

    public List<PftraceSlice> Slices { get; } = [];
    public List<(int Track, long Time, ulong Id)> Flows { get; } = [];

    /// <summary>Copies bytes into blocks, of which none is ever moved.</summary>
    public (int Block, int At) Keep(ReadOnlySpan<byte> bytes)
    {
        while (_block < _blocks.Count && _blocks[_block].Length - _blockEnd < bytes.Length)
        {
            _block++;
            _blockEnd = 0;
        }
        if (_block == _blocks.Count) _blocks.Add(new byte[Math.Max(BlockBytes, bytes.Length)]);
        int at = _blockEnd;
        bytes.CopyTo(_blocks[_block].AsSpan(at));
        _blockEnd += bytes.Length;
        return (_block, at);
    }

    public ReadOnlySpan<byte> Kept(int block, int at, int length) => _blocks[block].AsSpan(at, length);

    public void Clear()
    {
        Slices.Clear();
        Flows.Clear();
        _block = _blockEnd = 0;
    }
}
