namespace SgLang.Profiling;

/// <summary>
/// The CRC-32 of two texts joined, from the CRCs of both: appending n bytes to a text multiplies its polynomial by x^(8n), modulo the CRC's
/// polynomial, in the bit order of gzip (RFC 1952 section 8).
/// </summary>
internal static class Crc32Combination
{
    private const uint Polynomial = 0xedb88320;

    /// <summary>1 in this bit order: the highest bit is the lowest power.</summary>
    private const uint One = 0x80000000;

    /// <param name="second">Of a text of <paramref name="secondLength"/> bytes.</param>
    public static uint Combine(uint first, uint second, long secondLength) => Multiply(PowerOfX(8 * (ulong)secondLength), first) ^ second;

    private static uint Multiply(uint a, uint b)
    {
        uint product = 0;
        for (uint power = One; power != 0 && a != 0; power >>= 1)
        {
            if ((a & power) != 0)
            {
                product ^= b;
                a &= ~power;
            }
            b = (b & 1) != 0 ? (b >> 1) ^ Polynomial : b >> 1;
        }
        return product;
    }

    private static uint PowerOfX(ulong exponent)
    {
        uint result = One;
        // x itself.
        uint square = One >> 1;
        for (; exponent != 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0) result = Multiply(square, result);
            square = Multiply(square, square);
        }
        return result;
    }
}
