using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// Reads a Chrome trace, plain or gzip, one event at a time through a buffer that holds little more than the largest event. Top-level members
/// are reported as they come.
/// </summary>
internal sealed class TraceReader : IDisposable
{
    private const int MinFree = 1 << 16;

    private readonly Stream _stream;
    private byte[] _buffer = new byte[4 * MinFree];
    private int _start;
    private int _end;
    private int _tokenStart;
    private bool _isFinal;
    private JsonReaderState _state;
    private bool _isInEvents;

    public TraceReader(string path)
    {
        FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        int first = file.ReadByte(), second = file.ReadByte();
        file.Position = 0;
        _stream = first == 0x1f && second == 0x8b ? new GZipStream(file, CompressionMode.Decompress) : file;
        if (!TryToken(out JsonTokenType type, out _) || type != JsonTokenType.StartObject) throw new JsonException("the file is not a JSON object");
    }

    /// <summary>Nanoseconds; null until the member was met.</summary>
    public long? BaseNanoseconds { get; private set; }

    /// <summary>Raw values of the other members met so far, by name.</summary>
    public List<(string Name, byte[] Value)> Members { get; } = [];

    /// <summary>The raw text of the next event, valid until the next call. False at the end of the document, which was then read to its end.</summary>
    public bool TryReadEvent(out ReadOnlySpan<byte> text)
    {
        text = default;
        while (true)
        {
            if (!TryToken(out JsonTokenType type, out string? name)) throw new JsonException("the file ends in the middle");
            if (_isInEvents)
            {
                if (type == JsonTokenType.EndArray)
                {
                    _isInEvents = false;
                    continue;
                }
                if (type != JsonTokenType.StartObject) throw new JsonException("an event is not an object");
                text = Value();
                return true;
            }
            if (type == JsonTokenType.EndObject) return false;
            ReadMember(name!);
        }
    }

    public void Dispose() => _stream.Dispose();

    private void ReadMember(string name)
    {
        if (!TryToken(out JsonTokenType type, out _)) throw new JsonException("the file ends in the middle");
        if (name == "traceEvents")
        {
            if (type != JsonTokenType.StartArray) throw new JsonException("traceEvents is not a list");
            _isInEvents = true;
            return;
        }
        ReadOnlySpan<byte> value = Value();
        if (name == "baseTimeNanoseconds" && long.TryParse(Encoding.UTF8.GetString(value), out long origin)) BaseNanoseconds = origin;
        else Members.Add((name, value.ToArray()));
    }

    /// <summary>Advances by one token.</summary>
    private bool TryToken(out JsonTokenType type, out string? name)
    {
        while (true)
        {
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _isFinal, _state);
            if (reader.Read())
            {
                type = reader.TokenType;
                name = type == JsonTokenType.PropertyName ? reader.GetString() : null;
                _tokenStart = _start + (int)reader.TokenStartIndex;
                _start += (int)reader.BytesConsumed;
                _state = reader.CurrentState;
                return true;
            }
            type = default;
            name = null;
            if (_isFinal) return false;
            Fill(_start);
        }
    }

    /// <summary>The whole value whose first token was just read.</summary>
    private ReadOnlySpan<byte> Value()
    {
        JsonReaderState before = _state;
        while (true)
        {
            // The state stands after the first token of the value: skipping means reading on to its end at the same depth.
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _isFinal, before);
            int depth = _buffer[_tokenStart] is (byte)'{' or (byte)'[' ? 1 : 0;
            bool isWhole = true;
            while (depth > 0 && (isWhole = reader.Read()))
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) depth++;
                else if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray) depth--;
            }
            if (isWhole)
            {
                int end = _start + (int)reader.BytesConsumed;
                ReadOnlySpan<byte> value = _buffer.AsSpan(_tokenStart, end - _tokenStart);
                _start = end;
                _state = reader.CurrentState;
                return value;
            }
            if (_isFinal) throw new JsonException("the file ends in the middle");
            Fill(_tokenStart);
        }
    }

    /// <summary>Moves what is kept to the front of the buffer and reads more behind it.</summary>
    private void Fill(int keepFrom)
    {
        int kept = _end - keepFrom;
        if (_buffer.Length - kept < MinFree)
        {
            byte[] larger = new byte[2 * _buffer.Length];
            _buffer.AsSpan(keepFrom, kept).CopyTo(larger);
            _buffer = larger;
        }
        else
        {
            _buffer.AsSpan(keepFrom, kept).CopyTo(_buffer);
        }
        _start -= keepFrom;
        _tokenStart = 0;
        _end = kept;
        int read = _stream.Read(_buffer, _end, _buffer.Length - _end);
        if (read == 0) _isFinal = true;
        _end += read;
    }
}
