using System.IO.Compression;
using System.IO.Hashing;

namespace SgLang.Profiling;

/// <summary>
/// A piece of a gzip file, compressed by itself, so that pieces are made side by side and joined without being compressed again. It lies in a
/// temporary file that disappears with this object.
/// </summary>
internal sealed class GzipSegment : IDisposable
{
    /// <summary>A quarter smaller than level 1 for half as much time again; higher levels cost more than all the rest of a merge.</summary>
    private static readonly ZLibCompressionOptions s_compression = new() { CompressionLevel = 2 };

    private readonly FileStream _file;
    private readonly DeflateStream _deflate;
    private readonly Crc32 _crc = new();

    /// <param name="directory">Of the temporary file.</param>
    public GzipSegment(string directory)
    {
        string path = Path.Combine(directory, $".sglang-{Guid.NewGuid():N}.segment");
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        _deflate = new DeflateStream(_file, s_compression, leaveOpen: true);
        Content = new Checked(this);
    }

    /// <summary>Takes the plain bytes.</summary>
    public Stream Content { get; }

    /// <summary>Plain bytes so far.</summary>
    public long Length { get; private set; }

    public uint Crc => _crc.GetCurrentHashAsUInt32();

    /// <summary>Of the compressed bytes, once the segment is complete.</summary>
    public long NumCompressed { get; private set; }

    /// <summary>Ends the last block at a byte's edge without marking it as the stream's last, so that another segment can follow.</summary>
    public void Complete()
    {
        _deflate.Flush();
        NumCompressed = _file.Position;
    }

    public void CopyTo(Stream target, byte[] buffer)
    {
        _file.Flush();
        _file.Position = 0;
        for (long left = NumCompressed; left > 0;)
        {
            int read = _file.Read(buffer, 0, (int)Math.Min(buffer.Length, left));
            if (read == 0) throw new IOException($"a temporary file of {NumCompressed} bytes ended {left} bytes early");
            target.Write(buffer, 0, read);
            left -= read;
        }
    }

    public void Dispose()
    {
        // Writes the end of the stream, which nobody reads.
        _deflate.Dispose();
        _file.Dispose();
    }

    private sealed class Checked(GzipSegment segment) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            segment._crc.Append(buffer);
            segment.Length += buffer.Length;
            segment._deflate.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
