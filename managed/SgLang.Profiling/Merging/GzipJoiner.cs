using System.Buffers.Binary;
using System.IO.Hashing;

namespace SgLang.Profiling;

/// <summary>Writes one gzip member (RFC 1952) of segments and plain pieces.</summary>
internal sealed class GzipJoiner
{
    private readonly Stream _target;
    private readonly byte[] _buffer = new byte[1 << 17];
    private uint _crc;
    private long _length;

    public GzipJoiner(Stream target)
    {
        _target = target;
        // Deflate, no flags, no time, fastest, unknown system.
        _target.Write([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
    }

    public void Append(GzipSegment segment)
    {
        segment.CopyTo(_target, _buffer);
        Count(segment.Crc, segment.Length);
    }

    /// <summary>A few bytes, not compressed: a stored block (RFC 1951 section 3.2.4).</summary>
    public void Append(ReadOnlySpan<byte> text)
    {
        Stored(text, isLast: false);
        Count(Crc32.HashToUInt32(text), text.Length);
    }

    public void Finish()
    {
        Stored(default, isLast: true);
        Span<byte> trailer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _crc);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], unchecked((uint)_length));
        _target.Write(trailer);
    }

    private void Stored(ReadOnlySpan<byte> text, bool isLast)
    {
        if (text.Length > ushort.MaxValue) throw new ArgumentException($"a stored block holds at most {ushort.MaxValue} bytes, not {text.Length}");
        Span<byte> header = stackalloc byte[5];
        header[0] = isLast ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(header[1..], (ushort)text.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[3..], (ushort)~text.Length);
        _target.Write(header);
        _target.Write(text);
    }

    private void Count(uint crc, long length)
    {
        _crc = Crc32Combination.Combine(_crc, crc, length);
        _length += length;
    }
}
