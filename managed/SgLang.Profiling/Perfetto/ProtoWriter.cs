using System.Buffers.Binary;

namespace SgLang.Profiling;

/// <summary>Protobuf's wire format into a growing buffer: the few kinds of fields that a trace has.</summary>
internal sealed class ProtoWriter
{
    /// <summary>Bytes of a nested message's length, which is known at its end; a varint may be longer than it need be.</summary>
    private const int LengthBytes = 4;

    private byte[] _bytes = new byte[1 << 12];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void Integer(int field, ulong value)
    {
        Reserve(20);
        Varint((ulong)field << 3);
        Varint(value);
    }

    public void Integer(int field, long value) => Integer(field, (ulong)value);

    public void Fixed64(int field, ulong value)
    {
        Reserve(20);
        Varint(((ulong)field << 3) | 1);
        BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(Length), value);
        Length += 8;
    }

    public void Double(int field, double value) => Fixed64(field, BitConverter.DoubleToUInt64Bits(value));

    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Reserve(20 + value.Length);
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)value.Length);
        value.CopyTo(_bytes.AsSpan(Length));
        Length += value.Length;
    }

    public void Text(int field, string value) => Bytes(field, System.Text.Encoding.UTF8.GetBytes(value));

    /// <summary>Fields that were encoded elsewhere.</summary>
    public void Raw(ReadOnlySpan<byte> fields)
    {
        Reserve(fields.Length);
        fields.CopyTo(_bytes.AsSpan(Length));
        Length += fields.Length;
    }

    /// <summary>Opens a nested message; its end is told with what this returns.</summary>
    public int Begin(int field)
    {
        Reserve(20);
        Varint(((ulong)field << 3) | 2);
        Length += LengthBytes;
        return Length;
    }

    public void End(int begun)
    {
        int length = Length - begun;
        for (int i = 0; i < LengthBytes; i++, length >>= 7) _bytes[begun - LengthBytes + i] = (byte)((length & 0x7f) | (i < LengthBytes - 1 ? 0x80 : 0));
        if (length != 0) throw new InvalidOperationException($"a nested message of {Length - begun} bytes is too long");
    }

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) _bytes[Length++] = (byte)(value | 0x80);
        _bytes[Length++] = (byte)value;
    }

    private void Reserve(int bytes)
    {
        if (Length + bytes > _bytes.Length) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, Length + bytes));
    }
}
