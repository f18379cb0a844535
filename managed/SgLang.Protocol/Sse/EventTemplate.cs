using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json.Serialization.Metadata;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Sse;

/// <summary>
/// An event of which most bytes stay from one to the next: those are encoded once, by the same serializer, and an event then is one copy with its few new values
/// between them. Not thread safe.
/// </summary>
public sealed class EventTemplate
{
    /// <summary>Longer events are not put together here: one piece of this size fits a segment of a response.</summary>
    public const int MaxBytes = 3072;

    private const int MaxBytesOfChar = 6; // \u0000
    private const int MaxBytesOfNumber = 11;
    private readonly byte[] _bytes; // of all parts, one after the other
    private readonly int[] _ends;

    private EventTemplate(byte[] bytes, int[] ends)
    {
        _bytes = bytes;
        _ends = ends;
    }

    /// <param name="sample">An event whose open fields hold "", [] or 0.</param>
    /// <param name="fields">JSON names of the open fields in the order of the body; each is there once.</param>
    /// <exception cref="ArgumentException">A field is not there, or is not empty.</exception>
    public static EventTemplate Create<T>(T sample, JsonTypeInfo<T> type, params ReadOnlySpan<string> fields)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var writer = new SseWriter(output)) writer.Write(sample, type);
        ReadOnlySpan<byte> rest = output.WrittenSpan;
        var bytes = new List<byte>(rest.Length);
        int[] ends = new int[fields.Length + 1];
        for (int i = 0; i < fields.Length; i++)
        {
            // A user's text cannot hold this: its quotation marks are escaped.
            byte[] name = Encoding.UTF8.GetBytes($"\"{fields[i]}\":");
            int value = rest.IndexOf(name) is var at and >= 0 ? at + name.Length : throw new ArgumentException($"The event has no field '{fields[i]}'.", nameof(fields));
            bool isNumber = rest[value] == '0';
            if (!isNumber && !rest[value..].StartsWith("\"\""u8) && !rest[value..].StartsWith("[]"u8))
                throw new ArgumentException($"The event's field '{fields[i]}' is not empty.", nameof(fields));
            int end = isNumber ? value : value + 1;
            bytes.AddRange(rest[..end]);
            ends[i] = bytes.Count;
            rest = rest[(isNumber ? end + 1 : end)..];
        }
        bytes.AddRange(rest);
        ends[^1] = bytes.Count;
        return new EventTemplate([.. bytes], ends);
    }

    /// <summary>Whether an event with these values may be put together here.</summary>
    public bool Fits(int textLength, int numNumbers) => _bytes.Length + (textLength * MaxBytesOfChar) + (numNumbers * MaxBytesOfNumber) <= MaxBytes;

    /// <summary>Begins an event; its open fields then follow in their order.</summary>
    public Filler Begin(IBufferWriter<byte> output) => new(this, output);

    /// <summary>One event being put together.</summary>
    public ref struct Filler
    {
        private readonly EventTemplate _template;
        private readonly IBufferWriter<byte> _output;
        private readonly Span<byte> _span;
        private int _written;
        private int _part;
        private int _start;

        internal Filler(EventTemplate template, IBufferWriter<byte> output)
        {
            _template = template;
            _output = output;
            _span = output.GetSpan(MaxBytes);
        }

        public Filler Text(string value)
        {
            CopyPart();
            if (value.Length == 0) return this;
            JavaScriptEncoder encoder = ResponseJson.Encoder;
            int utf8 = Encoding.UTF8.GetBytes(value, _span[_written..]);
            if (encoder.FindFirstCharacterToEncodeUtf8(_span.Slice(_written, utf8)) >= 0)
            {
                // What stands there already is what must be encoded, so it moves out of the way.
                Span<byte> plain = stackalloc byte[utf8];
                _span.Slice(_written, utf8).CopyTo(plain);
                encoder.EncodeUtf8(plain, _span[_written..], out _, out utf8);
            }
            _written += utf8;
            return this;
        }

        public Filler Number(int value)
        {
            CopyPart();
            AddNumber(value);
            return this;
        }

        public Filler Numbers(IReadOnlyList<int> values)
        {
            CopyPart();
            for (int i = 0; i < values.Count; i++)
            {
                if (i > 0) _span[_written++] = (byte)',';
                AddNumber(values[i]);
            }
            return this;
        }

        /// <summary>Ends the event; nothing is sent before the next flush.</summary>
        public void End()
        {
            CopyPart();
            _output.Advance(_written);
        }

        private void AddNumber(int value)
        {
            value.TryFormat(_span[_written..], out int digits, provider: CultureInfo.InvariantCulture);
            _written += digits;
        }

        private void CopyPart()
        {
            int end = _template._ends[_part++];
            _template._bytes.AsSpan(_start, end - _start).CopyTo(_span[_written..]);
            _written += end - _start;
            _start = end;
        }
    }
}
