using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using K4os.Compression.LZ4;

namespace SgLang.Profiling;

/// <summary>
/// A window's records: the first in memory as they are, what comes later as LZ4 blocks in a temporary file, so that memory does not grow with the
/// window. Packing takes some percent of a core, which a CPU that computes with all its cores would miss in every step. Written and read by one
/// thread; the file disappears with this object.
/// </summary>
internal sealed class TraceSpool<T> : IDisposable where T : unmanaged
{
    /// <summary>64 KB before compression.</summary>
    public static readonly int BlockRecords = (1 << 16) / Unsafe.SizeOf<T>();

    /// <summary>Of records that are kept in memory.</summary>
    private const int MaxMemoryBytes = 16 << 20;

    private const int HeaderBytes = 12;

    private readonly FileStream _file;
    private readonly long _maxBytes;
    private readonly List<(int Ring, Memory<T> Records)> _first = [];
    private int _nextFirst;

    // What is left of the piece of memory that records go to; each piece is twice as large as the one before, up to a limit.
    private Memory<T> _free;
    private int _pieceRecords = (BlockRecords + 1) / 2;
    private bool _isFull;
    private readonly byte[] _packed = new byte[HeaderBytes + LZ4Codec.MaximumOutputSize(1 << 16)];

    /// <param name="maxBytes">Of the file, and of memory where that is less; what comes later is dropped and counted.</param>
    public TraceSpool(string directory, long maxBytes)
    {
        _maxBytes = maxBytes;
        string path = Path.Combine(directory, $".sglang-{Guid.NewGuid():N}.spool");
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 0, FileOptions.DeleteOnClose);
    }

    public long NumRecords { get; private set; }

    /// <summary>Of the file: packed.</summary>
    public long NumBytes => _file.Length;

    /// <summary>Records that found the spool full.</summary>
    public long Dropped { get; private set; }

    /// <param name="records">At most <see cref="BlockRecords"/>.</param>
    public void Append(int ring, ReadOnlySpan<T> records)
    {
        ReadOnlySpan<byte> raw = MemoryMarshal.AsBytes(records);
        if ((NumRecords + records.Length) * Unsafe.SizeOf<T>() <= Math.Min(MaxMemoryBytes, _maxBytes))
        {
            Keep(ring, records);
            return;
        }
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

    private void Keep(int ring, ReadOnlySpan<T> records)
    {
        if (_free.Length < records.Length)
        {
            _pieceRecords = Math.Min(2 * _pieceRecords, 16 * BlockRecords);
            _free = GC.AllocateUninitializedArray<T>(_pieceRecords);
        }
        records.CopyTo(_free.Span);
        _first.Add((ring, _free[..records.Length]));
        _free = _free[records.Length..];
        NumRecords += records.Length;
    }

    /// <summary>Goes back to the first block.</summary>
    public void Rewind()
    {
        _nextFirst = 0;
        _file.Position = 0;
    }

    /// <summary>The next block in the order of appending; false after the last.</summary>
    /// <param name="target">Room for <see cref="BlockRecords"/>.</param>
    public bool TryRead(Span<T> target, out int ring, out int count)
    {
        ring = count = 0;
        if (_nextFirst < _first.Count)
        {
            (ring, Memory<T> records) = _first[_nextFirst++];
            records.Span.CopyTo(target);
            count = records.Length;
            return true;
        }
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
