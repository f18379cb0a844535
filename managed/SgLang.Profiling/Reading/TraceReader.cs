using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// Reads a Chrome trace, plain or gzip, one event at a time through a buffer that holds little more than the largest event. Top-level members
/// are kept as they come. A trace may also be the bare list of its events.
/// </summary>
internal sealed class TraceReader : IDisposable
{
    private const int MinFree = 1 << 16;

    private readonly Stream _stream;
    private byte[] _buffer = new byte[4 * MinFree];
    private int _start;
    private int _end;
    private bool _isInEvents;
    private bool _isBareList;
    private bool _needsComma;

    public TraceReader(string path)
    {
        FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        int first = file.ReadByte(), second = file.ReadByte();
        file.Position = 0;
        _stream = first == 0x1f && second == 0x8b ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            byte opening = Next();
            _isBareList = _isInEvents = opening == '[';
            if (opening is not ((byte)'{' or (byte)'[')) throw new JsonException("the file is not a JSON object");
            _start++;
        }
        catch
        {
            _stream.Dispose();
            throw;
        }
    }

    /// <summary>Nanoseconds; null until the member was met.</summary>
    public long? BaseNanoseconds { get; private set; }

    /// <summary>Raw values of the other members met so far, by name.</summary>
    public List<(string Name, byte[] Value)> Members { get; } = [];

    /// <summary>A member met so far; null where there is none.</summary>
    public byte[]? Member(string name)
    {
        foreach ((string known, byte[] value) in Members)
            if (known == name) return value;
        return null;
    }

    /// <summary>The next event. False at the end of the document, which was then read to its end.</summary>
    /// <exception cref="JsonException">The file is damaged.</exception>
    public bool TryRead(TraceEvent target)
    {
        while (true)
        {
            byte next = Next();
            if (next == (_isInEvents ? ']' : '}'))
            {
                _start++;
                if (!_isInEvents || _isBareList) return FinishDocument();
                _isInEvents = false;
                _needsComma = true;
                continue;
            }
            if (_needsComma)
            {
                if (next != ',') throw new JsonException($"',' is expected and '{(char)next}' is there");
                _start++;
                _needsComma = false;
                next = Next();
                // A list that was cut off by its writer ends in a comma, and readers forgive that.
                if (_isInEvents && next == ']') continue;
            }
            if (!_isInEvents)
            {
                ReadMember();
                continue;
            }
            if (next != '{') throw new JsonException("an event is not an object");
            while (!target.TryRead(_buffer, _start, _end)) Fill();
            _start += target.Text.Length;
            _needsComma = true;
            return true;
        }
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>Reads what is left, so that the checksum of the whole file is looked at.</summary>
    private bool FinishDocument()
    {
        while (true)
        {
            while (_start < _end)
            {
                if (_buffer[_start++] is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')) throw new JsonException("something stands behind the end of the document");
            }
            if (!TryFill()) return false;
        }
    }

    private void ReadMember()
    {
        TextRange key, value = default;
        while (true)
        {
            var cursor = new JsonCursor(_buffer.AsSpan(0, _end), _start);
            if (cursor.TryKey(out key) && cursor.TryPeek(out byte first))
            {
                if (first == '[' && _buffer.AsSpan(key.Start, key.End - key.Start).SequenceEqual("traceEvents"u8))
                {
                    _start = cursor.Position + 1;
                    _isInEvents = true;
                    return;
                }
                if (cursor.TryValue(out value)) break;
            }
            Fill();
        }
        string name = Encoding.UTF8.GetString(_buffer, key.Start, key.End - key.Start);
        if (name == "traceEvents") throw new JsonException("traceEvents is not a list");
        ReadOnlySpan<byte> text = _buffer.AsSpan(value.Start, value.End - value.Start);
        if (name == "baseTimeNanoseconds" && TraceEvent.TryInteger(text, out long origin)) BaseNanoseconds = origin;
        else Members.Add((name, text.ToArray()));
        _start = value.End;
        _needsComma = true;
    }

    /// <summary>The next byte that is not white space.</summary>
    private byte Next()
    {
        while (true)
        {
            var cursor = new JsonCursor(_buffer.AsSpan(0, _end), _start);
            bool found = cursor.TryPeek(out byte next);
            _start = cursor.Position;
            if (found) return next;
            Fill();
        }
    }

    private void Fill()
    {
        if (!TryFill()) throw new JsonException("the file ends in the middle");
    }

    /// <summary>Moves what is unread to the front of the buffer and reads more behind it; false at the end of the file.</summary>
    private bool TryFill()
    {
        int kept = _end - _start;
        if (_buffer.Length - kept < MinFree)
        {
            byte[] larger = new byte[2 * _buffer.Length];
            _buffer.AsSpan(_start, kept).CopyTo(larger);
            _buffer = larger;
        }
        else if (_start > 0)
        {
            _buffer.AsSpan(_start, kept).CopyTo(_buffer);
        }
        _start = 0;
        _end = kept;
        // A decompressor gives little at a time; an event that is cut is looked at again after each filling.
        int read;
        while (_end < _buffer.Length && (read = _stream.Read(_buffer, _end, _buffer.Length - _end)) > 0) _end += read;
        return _end > kept;
    }
}
