namespace SgLang.Grammars.Syntax;

/// <summary>
/// Ranges of characters as sequences of byte ranges: the UTF-8 forms of [first, last] are exactly the byte strings of the sequences. The
/// range is cut where the number of bytes changes and where a trailing byte would not run through all of its 64 values.
/// </summary>
internal static class Utf8Ranges
{
    private static readonly int[] s_lastOfLength = [0x7F, 0x7FF, 0xFFFF, CharSet.MaxChar];

    /// <param name="emit">Gets one sequence of 1 to 4 (first, last) byte pairs; the array is its own.</param>
    public static void Split(int first, int last, Action<(byte First, byte Last)[]> emit)
    {
        foreach (int limit in s_lastOfLength)
        {
            if (first > limit) continue;
            SplitSameLength(first, Math.Min(last, limit), emit);
            if (last <= limit) return;
            first = limit + 1;
        }
    }

    private static void SplitSameLength(int first, int last, Action<(byte, byte)[]> emit)
    {
        if (last < 0x80)
        {
            emit([((byte)first, (byte)last)]);
            return;
        }
        for (int trailing = 1; trailing < 4; trailing++)
        {
            int mask = (1 << 6 * trailing) - 1;
            if ((first & ~mask) == (last & ~mask)) break;
            if ((first & mask) != 0)
            {
                SplitSameLength(first, first | mask, emit);
                SplitSameLength((first | mask) + 1, last, emit);
                return;
            }
            if ((last & mask) != mask)
            {
                SplitSameLength(first, (last & ~mask) - 1, emit);
                SplitSameLength(last & ~mask, last, emit);
                return;
            }
        }
        Span<byte> low = stackalloc byte[4];
        Span<byte> high = stackalloc byte[4];
        int count = new System.Text.Rune(first).EncodeToUtf8(low);
        new System.Text.Rune(last).EncodeToUtf8(high);
        var sequence = new (byte, byte)[count];
        for (int i = 0; i < count; i++) sequence[i] = (low[i], high[i]);
        emit(sequence);
    }
}
