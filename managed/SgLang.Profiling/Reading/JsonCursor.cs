using System.Buffers;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// A position in JSON text that may end anywhere. Methods move over one thing and return its range; they return false, with the position as it
/// was or further on, when the text ends first. What cannot be JSON throws.
/// </summary>
internal ref struct JsonCursor(ReadOnlySpan<byte> text, int position)
{
    private const int MaxDepth = 64;

    private static readonly SearchValues<byte> s_structure = SearchValues.Create("\"{}[]"u8);

    private readonly ReadOnlySpan<byte> _text = text;

    public int Position = position;

    /// <summary>Moves to the next byte that is not white space.</summary>
    public bool TryPeek(out byte next)
    {
        while ((uint)Position < (uint)_text.Length)
        {
            next = _text[Position];
            if (next is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')) return true;
            Position++;
        }
        next = 0;
        return false;
    }

    /// <summary>Moves past one punctuation mark.</summary>
    public bool TryExpect(byte mark)
    {
        if (!TryPeek(out byte next)) return false;
        if (next != mark) throw Unexpected(next, $"'{(char)mark}'");
        Position++;
        return true;
    }

    /// <summary>After '{' or ',': the key without its quotes, and past the colon.</summary>
    public bool TryKey(out TextRange key)
    {
        key = default;
        if (!TryPeek(out byte next)) return false;
        if (next != '"') throw Unexpected(next, "a name in quotes");
        int start = Position + 1;
        if (!TrySkipString()) return false;
        key = new TextRange(start, Position - 1);
        return TryExpect((byte)':');
    }

    /// <summary>Any value; a string's range has its quotes.</summary>
    public bool TryValue(out TextRange value)
    {
        value = default;
        if (!TryPeek(out byte next)) return false;
        int start = Position;
        bool isWhole = next switch
        {
            (byte)'"' => TrySkipString(),
            (byte)'{' or (byte)'[' => TrySkipContainer(),
            _ => TrySkipScalar(next),
        };
        value = new TextRange(start, Position);
        return isWhole;
    }

    private bool TrySkipString()
    {
        int at = Position + 1;
        while (true)
        {
            int found = _text[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (found < 0) return false;
            at += found;
            if (_text[at] == '"') break;
            at += 2;
            if (at > _text.Length) return false;
        }
        Position = at + 1;
        return true;
    }

    private bool TrySkipContainer()
    {
        // One bit for each open bracket: 1 is an object.
        ulong open = 0;
        int depth = 0;
        while (true)
        {
            int found = _text[Position..].IndexOfAny(s_structure);
            if (found < 0) return false;
            Position += found;
            byte mark = _text[Position];
            switch (mark)
            {
                case (byte)'"':
                    if (!TrySkipString()) return false;
                    continue;
                case (byte)'{' or (byte)'[':
                    if (depth++ == MaxDepth) throw new JsonException($"values lie deeper than {MaxDepth} levels");
                    open = (open << 1) | (mark == '{' ? 1UL : 0);
                    break;
                default:
                    if ((open & 1) != (mark == '}' ? 1UL : 0)) throw Unexpected(mark, (open & 1) == 1 ? "'}'" : "']'");
                    open >>= 1;
                    depth--;
                    break;
            }
            Position++;
            if (depth == 0) return true;
        }
    }

    private bool TrySkipScalar(byte first)
    {
        int start = Position;
        while ((uint)Position < (uint)_text.Length)
        {
            byte next = _text[Position];
            if (next is (byte)',' or (byte)'}' or (byte)']' or (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            {
                ReadOnlySpan<byte> scalar = _text[start..Position];
                if (first is (byte)'-' or (>= (byte)'0' and <= (byte)'9') || scalar.SequenceEqual("null"u8) || scalar.SequenceEqual("true"u8) || scalar.SequenceEqual("false"u8)) return true;
                throw Unexpected(first, "a value");
            }
            if (next is not ((byte)'-' or (byte)'+' or (byte)'.' or (>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'z') or (byte)'E')) throw Unexpected(next, "a value");
            Position++;
        }
        return false;
    }

    private readonly JsonException Unexpected(byte found, string wanted) =>
        new($"{wanted} is expected and {(found is >= 0x20 and < 0x7f ? $"'{(char)found}'" : $"byte 0x{found:x2}")} is there");
}
