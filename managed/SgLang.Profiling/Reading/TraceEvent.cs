using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// One event of a Chrome trace as ranges of the reader's buffer, valid until the next is read. Values are as they stand in the file, strings
/// with their quotes.
/// </summary>
internal sealed class TraceEvent
{
    private (TextRange Key, TextRange Value)[] _arguments = new (TextRange, TextRange)[32];
    private byte[] _buffer = [];
    private TextRange _whole, _phase, _category, _name, _pid, _tid, _time, _duration, _id;

    /// <summary>From brace to brace.</summary>
    public ReadOnlySpan<byte> Text => Of(_whole);

    /// <summary>'X', 'M' and so on; 0 where there is none.</summary>
    public byte Phase => _phase.End - _phase.Start == 3 ? _buffer[_phase.Start + 1] : (byte)0;
    public ReadOnlySpan<byte> Category => Unquote(_category);

    /// <summary>Escapes as in the file.</summary>
    public ReadOnlySpan<byte> Name => Unquote(_name);
    public ReadOnlySpan<byte> Pid => Of(_pid);
    public ReadOnlySpan<byte> Tid => Of(_tid);
    public ReadOnlySpan<byte> Id => Of(_id);
    public bool HasTime => !_time.IsEmpty;

    /// <summary>Nanoseconds after the file's base; what is finer is cut off.</summary>
    public long Time => Nanoseconds(_time);
    public bool HasDuration => !_duration.IsEmpty;
    public long Duration => Nanoseconds(_duration);

    public int NumArguments { get; private set; }

    /// <summary>Ranges within <see cref="Text"/>.</summary>
    public TextRange PidRange => Within(_pid);
    public TextRange TidRange => Within(_tid);
    public TextRange TimeRange => Within(_time);
    public TextRange IdRange => Within(_id);

    public ReadOnlySpan<byte> ArgumentName(int index) => Of(_arguments[index].Key);
    public ReadOnlySpan<byte> ArgumentValue(int index) => Of(_arguments[index].Value);

    /// <summary>Within <see cref="Text"/>.</summary>
    public TextRange ArgumentRange(int index) => Within(_arguments[index].Value);

    /// <summary>The raw value of an argument; empty where there is none.</summary>
    public ReadOnlySpan<byte> Argument(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < NumArguments; i++)
            if (Of(_arguments[i].Key).SequenceEqual(name)) return Of(_arguments[i].Value);
        return default;
    }

    /// <summary>An argument that is an integer.</summary>
    public bool TryArgument(ReadOnlySpan<byte> name, out long value) => TryInteger(Argument(name), out value);

    /// <summary>An argument that is a number, quoted or not.</summary>
    public bool TryArgument(ReadOnlySpan<byte> name, out double value)
    {
        ReadOnlySpan<byte> text = Trim(Argument(name));
        return Utf8Parser.TryParse(text, out value, out int used) && used == text.Length && used > 0;
    }

    public static bool TryInteger(ReadOnlySpan<byte> text, out long value) => Utf8Parser.TryParse(text, out value, out int used) && used == text.Length && used > 0;

    /// <summary>A string's text with its escapes resolved; a value of another kind as it stands.</summary>
    public static string Decode(ReadOnlySpan<byte> value)
    {
        if (value.Length < 2 || value[0] != '"') return Encoding.UTF8.GetString(value);
        if (!value.Contains((byte)'\\')) return Encoding.UTF8.GetString(value[1..^1]);
        var reader = new Utf8JsonReader(value);
        reader.Read();
        return reader.GetString()!;
    }

    /// <summary>Reads the event whose brace stands at <paramref name="start"/>. False when the buffer ends first.</summary>
    /// <exception cref="JsonException">It is not an object.</exception>
    internal bool TryRead(byte[] buffer, int start, int end)
    {
        _buffer = buffer;
        _phase = _category = _name = _pid = _tid = _time = _duration = _id = default;
        NumArguments = 0;
        var cursor = new JsonCursor(buffer.AsSpan(0, end), start + 1);
        if (!cursor.TryPeek(out byte next)) return false;
        if (next == '}') cursor.Position++;
        while (next != '}')
        {
            if (!cursor.TryKey(out TextRange key)) return false;
            ReadOnlySpan<byte> name = Of(key);
            TextRange value;
            if (name.SequenceEqual("args"u8))
            {
                if (!TryReadArguments(ref cursor)) return false;
            }
            else
            {
                if (!cursor.TryValue(out value)) return false;
                Keep(name, value);
            }
            if (!TryContinue(ref cursor, out next)) return false;
        }
        _whole = new TextRange(start, cursor.Position);
        return true;
    }

    private bool TryReadArguments(ref JsonCursor cursor)
    {
        if (!cursor.TryPeek(out byte next)) return false;
        if (next != '{') return cursor.TryValue(out _);
        cursor.Position++;
        if (!cursor.TryPeek(out next)) return false;
        if (next == '}')
        {
            cursor.Position++;
            return true;
        }
        while (next != '}')
        {
            if (!cursor.TryKey(out TextRange key) || !cursor.TryValue(out TextRange value)) return false;
            if (NumArguments == _arguments.Length) Array.Resize(ref _arguments, 2 * _arguments.Length);
            _arguments[NumArguments++] = (key, value);
            if (!TryContinue(ref cursor, out next)) return false;
        }
        return true;
    }

    /// <summary>Past the comma or the brace behind a member.</summary>
    private static bool TryContinue(ref JsonCursor cursor, out byte mark)
    {
        if (!cursor.TryPeek(out mark)) return false;
        if (mark is not ((byte)',' or (byte)'}')) throw new JsonException($"',' or '}}' is expected and '{(char)mark}' is there");
        cursor.Position++;
        return true;
    }

    private void Keep(ReadOnlySpan<byte> name, TextRange value)
    {
        switch (name.Length)
        {
            case 2 when name.SequenceEqual("ts"u8):
                _time = value;
                break;
            case 2 when name.SequenceEqual("ph"u8):
                _phase = value;
                break;
            case 2 when name.SequenceEqual("id"u8):
                _id = value;
                break;
            case 3 when name.SequenceEqual("pid"u8):
                _pid = value;
                break;
            case 3 when name.SequenceEqual("tid"u8):
                _tid = value;
                break;
            case 3 when name.SequenceEqual("dur"u8):
                _duration = value;
                break;
            case 3 when name.SequenceEqual("cat"u8):
                _category = value;
                break;
            case 4 when name.SequenceEqual("name"u8):
                _name = value;
                break;
        }
    }

    private ReadOnlySpan<byte> Of(TextRange range) => _buffer.AsSpan(range.Start, range.End - range.Start);

    private TextRange Within(TextRange range) => range.IsEmpty ? default : new TextRange(range.Start - _whole.Start, range.End - _whole.Start);

    private ReadOnlySpan<byte> Unquote(TextRange range) => Trim(Of(range));

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Length >= 2 && text[0] == '"' ? text[1..^1] : text;

    /// <summary>Of microseconds in decimal; without going through a double, which has no room for the last digit of a large one.</summary>
    private long Nanoseconds(TextRange range)
    {
        ReadOnlySpan<byte> text = Trim(Of(range));
        int at = 0;
        bool isNegative = text.Length > 0 && text[0] == '-';
        if (isNegative) at++;
        long value = 0;
        int decimals = -1;
        for (; at < text.Length; at++)
        {
            int digit = text[at] - '0';
            if (text[at] == '.' && decimals < 0)
            {
                decimals = 0;
            }
            else if ((uint)digit > 9 || (decimals < 0 && value > long.MaxValue / 100_000))
            {
                // An exponent, or more microseconds than there is room for.
                return Utf8Parser.TryParse(text, out double number, out int used) && used == text.Length && Math.Abs(number) < 9e15
                    ? (long)(number * 1000)
                    : throw new JsonException($"'{Encoding.UTF8.GetString(text)}' is not a time");
            }
            else if (decimals < 3)
            {
                value = value * 10 + digit;
                if (decimals >= 0) decimals++;
            }
        }
        for (int i = Math.Max(0, decimals); i < 3; i++) value *= 10;
        return isNegative ? -value : value;
    }
}
