namespace SgLang.Bench.Serving;

/// <summary>Cuts a stream of bytes into lines, whatever pieces it comes in.</summary>
public sealed class LineSplitter
{
    private byte[] _buffer = new byte[16384];
    private int _start;
    private int _end;

    /// <summary>Where the next bytes go; <see cref="Received"/> says how many came.</summary>
    public Memory<byte> Free()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_end == _buffer.Length) Array.Resize(ref _buffer, 2 * _buffer.Length);
        return _buffer.AsMemory(_end);
    }

    public void Received(int count) => _end += count;

    /// <summary>The next whole line without its end; valid until <see cref="Free"/>.</summary>
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
}
