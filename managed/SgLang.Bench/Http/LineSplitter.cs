namespace SgLang.Bench.Http;

/// <summary>Cuts a stream of bytes into lines, whatever pieces it comes in.</summary>
public sealed class LineSplitter(int capacity = 16384)
{
    private byte[] _buffer = new byte[capacity];
    private int _start;
    private int _end;

    public bool IsEmpty => _start == _end;

    /// <summary>Where the next bytes go; <see cref="Received"/> says how many came.</summary>
    public Memory<byte> Free()
    {
        Compact(1);
        return _buffer.AsMemory(_end);
    }

    public void Received(int count) => _end += count;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        Compact(bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    public void Clear() => _start = _end = 0;

    /// <summary>The next whole line without its end; valid until more bytes come.</summary>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(_start, _end - _start);
        int length = rest.IndexOf((byte)'\n');
        if (length < 0)
        {
            line = default;
            return false;
        }
        _start += length + 1;
        line = rest[..length];
        if (line.Length > 0 && line[^1] == '\r') line = line[..^1];
        return true;
    }

    /// <summary>What is left after the last line end, for a stream that stops without one.</summary>
    public ReadOnlySpan<byte> Rest() => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Moves what is left to the front, and makes room after it.</summary>
    private void Compact(int room)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_buffer.Length - _end < room) Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, _end + room));
    }
}
