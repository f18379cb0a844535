using System.Numerics;
using System.Runtime.CompilerServices;

namespace SgLang.Tokenization.Bpe;

/// <summary>(left id, right id) to (rank, merged id): open addressing in flat arrays, since it is asked once or more per character.</summary>
internal sealed class PairTable
{
    private const ulong Empty = ulong.MaxValue;

    private readonly ulong[] _keys;
    private readonly (int Rank, int Merged)[] _values;
    private readonly int _shift;

    public PairTable(int count)
    {
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, count * 2));
        _keys = new ulong[capacity];
        Array.Fill(_keys, Empty);
        _values = new (int, int)[capacity];
        _shift = 64 - BitOperations.Log2((uint)capacity);
    }

    /// <summary>A later entry for the same pair replaces an earlier one, as in the reference.</summary>
    public void Set(int left, int right, int rank, int merged)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        while (_keys[slot] != Empty && _keys[slot] != key)
        {
            slot = slot + 1 & _keys.Length - 1;
        }

        _keys[slot] = key;
        _values[slot] = (rank, merged);
    }

    /// <summary>Rank int.MaxValue when the pair does not merge.</summary>
    public (int Rank, int Merged) Find(int left, int right)
    {
        ulong key = Key(left, right);
        for (int slot = Slot(key); ; slot = slot + 1 & _keys.Length - 1)
        {
            if (_keys[slot] == key)
            {
                return _values[slot];
            }

            if (_keys[slot] == Empty)
            {
                return (int.MaxValue, -1);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Slot(ulong key) => (int)((key ^ key >> 29) * 0x9E3779B97F4A7C15UL >> _shift);
}
