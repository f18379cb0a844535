using System.IO.MemoryMappedFiles;

namespace SgLang.Runtime;

/// <summary>A file's bytes as read-only host memory; pages come from disk when touched.</summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _data;

    public MappedFile(string path)
    {
        Path = path;
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        Length = stream.Length;
        _file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _data = start + _view.PointerOffset;
    }

    public string Path { get; }
    public long Length { get; }

    /// <summary>A dense tensor over the file's bytes from <paramref name="offset"/> on, valid until the file is disposed.</summary>
    public Tensor AsTensor(long offset, DType dtype, params ReadOnlySpan<long> shape)
    {
        var tensor = new Tensor((nint)(_data + offset), dtype, shape);
        if (offset < 0 || tensor.NumBytes > Length - offset) throw new ArgumentException($"{Path} has {Length} bytes; {tensor} at {offset} does not fit");
        return tensor;
    }

    public ReadOnlySpan<byte> AsSpan(long offset, int count)
    {
        if (offset < 0 || count > Length - offset) throw new ArgumentOutOfRangeException(nameof(offset), $"{Path} has {Length} bytes; {count} at {offset} do not fit");
        return new ReadOnlySpan<byte>(_data + offset, count);
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
