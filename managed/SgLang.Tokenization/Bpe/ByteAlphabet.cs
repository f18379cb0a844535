using System.Buffers;
using System.Text;

namespace SgLang.Tokenization.Bpe;

/// <summary>GPT-2's 256 printable characters that stand for bytes in byte-level vocabularies: printable Latin-1 for itself, the others from U+0100 on.</summary>
internal static class ByteAlphabet
{
    private const int CharCount = 0x144;

    private static readonly char[] s_byteToChar = BuildByteToChar();
    private static readonly short[] s_charToByte = BuildCharToByte();

    public static char ToChar(byte value) => s_byteToChar[value];

    /// <summary>The byte that <paramref name="c"/> stands for, or -1.</summary>
    public static int ToByte(char c) => c < CharCount ? s_charToByte[c] : -1;

    /// <summary>One character per byte of the text's UTF-8 form.</summary>
    public static string Map(ReadOnlySpan<char> text)
    {
        char[] buffer = ArrayPool<char>.Shared.Rent(text.Length * 3);
        string mapped = new(buffer, 0, Map(text, buffer));
        ArrayPool<char>.Shared.Return(buffer);
        return mapped;
    }

    /// <summary>As above, into <paramref name="destination"/> of at least three times the length; returns the characters written.</summary>
    public static int Map(ReadOnlySpan<char> text, Span<char> destination)
    {
        Span<byte> utf8 = stackalloc byte[4];
        int count = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int width = rune.EncodeToUtf8(utf8);
            for (int i = 0; i < width; i++)
            {
                destination[count++] = s_byteToChar[utf8[i]];
            }
        }

        return count;
    }

    private static char[] BuildByteToChar()
    {
        var table = new char[256];
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE and <= 0xFF;
            table[value] = (char)(isPrintable ? value : next++);
        }

        return table;
    }

    private static short[] BuildCharToByte()
    {
        var table = new short[CharCount];
        Array.Fill(table, (short)-1);
        for (int value = 0; value < 256; value++)
        {
            table[s_byteToChar[value]] = (short)value;
        }

        return table;
    }
}
