using System.Globalization;
using System.Text;

namespace SgLang.Bench.Load;

/// <summary>
/// HTTP/1.1 responses out of a connection's bytes, in whatever pieces they come: status, the headers that say where the body ends, and the body
/// itself as slices of what was received. Nothing is copied but lines that a piece cuts.
/// </summary>
public sealed class ResponseDecoder
{
    private const int LongestLine = 64 * 1024;

    private enum State : byte
    {
        Status,
        Headers,
        Length,
        ChunkSize,
        ChunkData,
        ChunkEnd,
        Trailer,
        UntilClose,
        Done,
    }

    private byte[] _line = new byte[1024];
    private int _lineLength;
    private State _state;
    private long _left;
    private bool _isChunked;
    private bool _hasLength;

    /// <summary>0 until the status line has been read.</summary>
    public int Status { get; private set; }
    public string Reason { get; private set; } = "";

    /// <summary>Whether the server means to close the connection after this response.</summary>
    public bool Closes { get; private set; }
    public bool IsDone => _state == State.Done;

    /// <summary>The end of the connection is the end of the body.</summary>
    public bool EndsWithConnection => _state == State.UntilClose;

    /// <summary>Whether any byte of a response has come.</summary>
    public bool HasBegun => Status != 0 || _lineLength > 0;

    /// <summary>Starts over for the next response of the connection.</summary>
    public void Reset()
    {
        _state = State.Status;
        _lineLength = 0;
        Status = 0;
        Reason = "";
        Closes = false;
        _isChunked = false;
        _hasLength = false;
        _left = 0;
    }

    /// <summary>Takes bytes from the front of <paramref name="input"/>, at least one, and returns how many.</summary>
    /// <param name="body">Body bytes among them; may be empty.</param>
    /// <exception cref="InvalidDataException">Not HTTP/1.1.</exception>
    public int Decode(ReadOnlySpan<byte> input, out ReadOnlySpan<byte> body)
    {
        body = default;
        switch (_state)
        {
            case State.Length:
            case State.ChunkData:
                int count = (int)Math.Min(_left, input.Length);
                body = input[..count];
                _left -= count;
                if (_left == 0) _state = _state == State.Length ? State.Done : State.ChunkEnd;
                return count;
            case State.UntilClose:
                body = input;
                return input.Length;
            case State.Done:
                throw new InvalidDataException("bytes after the end of a response");
        }
        int end = input.IndexOf((byte)'\n');
        if (end < 0)
        {
            Keep(input);
            return input.Length;
        }
        if (_lineLength == 0)
        {
            ReadLine(input[..end]);
        }
        else
        {
            Keep(input[..end]);
            int length = _lineLength;
            _lineLength = 0;
            ReadLine(_line.AsSpan(0, length));
        }
        return end + 1;
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (_lineLength + part.Length > LongestLine) throw new InvalidDataException($"a line of the response is longer than {LongestLine} bytes");
        if (_lineLength + part.Length > _line.Length) Array.Resize(ref _line, Math.Max(2 * _line.Length, _lineLength + part.Length));
        part.CopyTo(_line.AsSpan(_lineLength));
        _lineLength += part.Length;
    }

    private void ReadLine(ReadOnlySpan<byte> line)
    {
        if (line.Length > 0 && line[^1] == '\r') line = line[..^1];
        switch (_state)
        {
            case State.Status:
                ReadStatus(line);
                break;
            case State.Headers when !line.IsEmpty:
                ReadHeader(line);
                break;
            case State.Headers when Status is >= 100 and < 200:
                Reset();
                break;
            case State.Headers:
                if (_isChunked) _state = State.ChunkSize;
                else if (_hasLength || Status is 204 or 304) _state = _left > 0 ? State.Length : State.Done;
                else (_state, Closes) = (State.UntilClose, true);
                break;
            case State.ChunkSize:
                if (line.IndexOf((byte)';') is >= 0 and var extension) line = line[..extension];
                if (!long.TryParse(line.Trim((byte)' '), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out _left) || _left < 0) throw new InvalidDataException($"'{Encoding.ASCII.GetString(line)}' is not a chunk's size");
                _state = _left > 0 ? State.ChunkData : State.Trailer;
                break;
            case State.ChunkEnd:
                if (!line.IsEmpty) throw new InvalidDataException("a chunk is longer than its size");
                _state = State.ChunkSize;
                break;
            case State.Trailer when line.IsEmpty:
                _state = State.Done;
                break;
        }
    }

    private void ReadStatus(ReadOnlySpan<byte> line)
    {
        // HTTP/1.1 200 OK
        if (!line.StartsWith("HTTP/1."u8) || line.Length < 12 || !int.TryParse(line[9..12], NumberStyles.None, CultureInfo.InvariantCulture, out int status))
            throw new InvalidDataException($"'{Encoding.ASCII.GetString(line[..Math.Min(line.Length, 80)])}' is not the beginning of an HTTP/1.1 response");
        Status = status;
        // "OK" is what nearly every response says; no string is made for it.
        ReadOnlySpan<byte> reason = line[12..].Trim((byte)' ');
        Reason = reason.SequenceEqual("OK"u8) ? "OK" : Encoding.ASCII.GetString(reason);
        Closes = line[7] == '0';
        _state = State.Headers;
    }

    private void ReadHeader(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        if (colon < 0) throw new InvalidDataException($"'{Encoding.ASCII.GetString(line[..Math.Min(line.Length, 80)])}' is not a header");
        ReadOnlySpan<byte> name = line[..colon], value = line[(colon + 1)..].Trim((byte)' ');
        if (Ascii.EqualsIgnoreCase(name, "content-length"u8))
        {
            if (!long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out _left)) throw new InvalidDataException($"'{Encoding.ASCII.GetString(value)}' is not a length");
            _hasLength = true;
        }
        else if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
        {
            _isChunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
        }
        else if (Ascii.EqualsIgnoreCase(name, "connection"u8))
        {
            Closes = Ascii.EqualsIgnoreCase(value, "close"u8);
        }
    }
}
