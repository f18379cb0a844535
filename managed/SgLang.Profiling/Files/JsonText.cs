using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>UTF-8 text collected in one buffer and passed on to a stream when it is full.</summary>
internal sealed class JsonText(Stream target)
{
    private const int FlushAt = 1 << 16;

    private byte[] _bytes = new byte[FlushAt + 4096];
    private int _count;

    public void Raw(ReadOnlySpan<byte> text)
    {
        Reserve(text.Length);
        text.CopyTo(_bytes.AsSpan(_count));
        _count += text.Length;
    }

    public void Number(long value)
    {
        Reserve(20);
        Utf8Formatter.TryFormat(value, _bytes.AsSpan(_count), out int written);
        _count += written;
    }

    /// <summary>Nanoseconds as microseconds with exactly three decimals.</summary>
    public void Microseconds(long nanoseconds)
    {
        Number(nanoseconds / 1000);
        Reserve(4);
        int rest = (int)(nanoseconds % 1000);
        _bytes[_count++] = (byte)'.';
        _bytes[_count++] = (byte)('0' + rest / 100);
        _bytes[_count++] = (byte)('0' + rest / 10 % 10);
        _bytes[_count++] = (byte)('0' + rest % 10);
    }

    /// <param name="key">Quoted, with all that stands around it.</param>
    public void Property(ReadOnlySpan<byte> key, long value)
    {
        Raw(key);
        Number(value);
    }

    /// <summary>Quoted and escaped.</summary>
    public void Text(string value) => Raw(Quote(value));

    public static byte[] Quote(string value) => Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(value, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"");

    public void Flush()
    {
        target.Write(_bytes, 0, _count);
        _count = 0;
    }

    private void Reserve(int bytes)
    {
        if (_count + bytes <= _bytes.Length) return;
        Flush();
        if (bytes > _bytes.Length) _bytes = new byte[bytes];
    }
}
