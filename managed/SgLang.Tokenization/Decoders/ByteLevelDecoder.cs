using System.Text;
using SgLang.Tokenization.Bpe;

namespace SgLang.Tokenization.Decoders;

/// <summary>
/// Bytes in the printable alphabet back to UTF-8. A token with a character outside the alphabet (an added token) counts as its own text.
/// Bytes of an incomplete character wait for the rest; broken ones become U+FFFD.
/// </summary>
internal sealed class ByteLevelDecoder : TokenDecoder
{
    private readonly System.Text.Decoder _utf8 = new UTF8Encoding(false, throwOnInvalidBytes: false).GetDecoder();
    private byte[] _bytes = new byte[64];
    private char[] _chars = new char[80];
    private bool _hasBegun;

    protected override bool OutputIsFragmented => true;

    protected override void Decode(ReadOnlySpan<char> token)
    {
        if (_bytes.Length < token.Length * 3)
        {
            (_bytes, _chars) = (new byte[token.Length * 3], new char[token.Length * 3 + 16]);
        }

        int count = 0;
        foreach (char c in token)
        {
            int value = ByteAlphabet.ToByte(c);
            if (value < 0)
            {
                count = Encoding.UTF8.GetBytes(token, _bytes);
                break;
            }

            _bytes[count++] = (byte)value;
        }

        Emit(_bytes.AsSpan(0, count), flush: false);
    }

    protected override void Complete() => Emit([], flush: true);

    private void Emit(ReadOnlySpan<byte> bytes, bool flush)
    {
        int count = _utf8.GetChars(bytes, _chars, flush);
        if (count > 0)
        {
            Next.Push(_chars.AsSpan(0, count), beginsToken: !_hasBegun);
            _hasBegun = true;
        }
    }
}
