using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using K4os.Compression.LZ4;

namespace SgLang.Profiling;

/// <summary>
/// A window's records as LZ4 blocks in a temporary file, so that memory does not grow with the window. Written and read by one thread; the
/// file disappears with this object.
/// </summary>
internal sealed class TraceSpool<T> : IDisposable where T : unmanaged
{
    /// <summary>64 KB before compression.</summary>
    public static readonly int BlockRecords = (1 << 16) / Unsafe.SizeOf<T>();

    private const int HeaderBytes = 12;

    private readonly FileStream _file;
    private readonly long _maxBytes;
    private bool _isFull;
    private readonly byte[] _packed = new byte[HeaderBytes + LZ4Codec.MaximumOutputSize(1 << 16)];

    /// <param name="maxBytes">Of compressed blocks; what comes later is dropped and counted.</param>
    public TraceSpool(string directory, long maxBytes)
    {
        _maxBytes = maxBytes;
        string path = Path.Combine(directory, $".sglang-{Guid.NewGuid():N}.spool");
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 0, FileOptions.DeleteOnClose);
    }

    public long NumRecords { get; private set; }
    public long NumBytes => _file.Length;

    /// <summary>Records that found the spool full.</summary>
    public long Dropped { get; private set; }

    /// <param name="records">At most <see cref="BlockRecords"/>.</param>
    public void Append(int ring, ReadOnlySpan<T> records)
    {
        ReadOnlySpan<byte> raw = MemoryMarshal.AsBytes(records);
        int packed = LZ4Codec.Encode(raw, _packed.AsSpan(HeaderBytes));
        long position = _file.Position;
        if (_isFull || position + HeaderBytes + packed > _maxBytes)
        {
            Dropped += records.Length;
            return;
        }
        BinaryPrimitives.WriteInt32LittleEndian(_packed, ring);
        BinaryPrimitives.WriteInt32LittleEndian(_packed.AsSpan(4), records.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_packed.AsSpan(8), packed);
        try
        {
            _file.Write(_packed, 0, HeaderBytes + packed);
            NumRecords += records.Length;
        }
        catch (IOException)
        {
            // The disk is full: what is there stays readable, the rest is counted as lost.
            _isFull = true;
            Dropped += records.Length;
            _file.SetLength(position);
        }
    }

    /// <summary>Goes back to the first block.</summary>
    public void Rewind() => _file.Position = 0;

    /// <summary>The next block in the order of appending; false after the last.</summary>
    /// <param name="target">Room for <see cref="BlockRecords"/>.</param>
    public bool TryRead(Span<T> target, out int ring, out int count)
    {
        ring = count = 0;
        if (_file.Position == _file.Length) return false;
        _file.ReadExactly(_packed, 0, HeaderBytes);
        ring = BinaryPrimitives.ReadInt32LittleEndian(_packed);
        count = BinaryPrimitives.ReadInt32LittleEndian(_packed.AsSpan(4));
        int packed = BinaryPrimitives.ReadInt32LittleEndian(_packed.AsSpan(8));
        _file.ReadExactly(_packed, 0, packed);
        int bytes = LZ4Codec.Decode(_packed.AsSpan(0, packed), MemoryMarshal.AsBytes(target[..count]));
        if (bytes != count * Unsafe.SizeOf<T>()) throw new InvalidDataException($"a block of {count} records unpacked to {bytes} bytes");
        return true;
    }

    public void Dispose() => _file.Dispose();
}
