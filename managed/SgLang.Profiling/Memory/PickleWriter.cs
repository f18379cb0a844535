using System.Buffers.Binary;
using System.Text;

namespace SgLang.Profiling;

/// <summary>
/// Python objects as a pickle of protocol 2 (https://docs.python.org/3/library/pickletools.html): None, booleans, integers, text, lists and dictionaries,
/// nothing else, so that a file can be read without running anybody's code.
/// </summary>
internal sealed class PickleWriter(Stream target)
{
    /// <summary>To be called first.</summary>
    public void Begin() => target.Write([0x80, 2]);

    /// <summary>To be called last, when one object has been written.</summary>
    public void End() => target.WriteByte((byte)'.');

    /// <summary>Objects that follow are the list's until <see cref="EndList"/>.</summary>
    public void BeginList() => target.Write("]("u8);

    public void EndList() => target.WriteByte((byte)'e');

    /// <summary>Keys and values follow in turn until <see cref="EndDictionary"/>.</summary>
    public void BeginDictionary() => target.Write("}("u8);

    public void EndDictionary() => target.WriteByte((byte)'u');

    public void Boolean(bool value) => target.WriteByte(value ? (byte)0x88 : (byte)0x89);

    public void Number(long value)
    {
        Span<byte> bytes = stackalloc byte[10];
        if (value is >= int.MinValue and <= int.MaxValue)
        {
            bytes[0] = (byte)'J';
            BinaryPrimitives.WriteInt32LittleEndian(bytes[1..], (int)value);
            target.Write(bytes[..5]);
            return;
        }
        // LONG1: a length and as many bytes, little end first.
        bytes[0] = 0x8a;
        bytes[1] = 8;
        BinaryPrimitives.WriteInt64LittleEndian(bytes[2..], value);
        target.Write(bytes);
    }

    public void Text(string value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value);
        Span<byte> head = stackalloc byte[5];
        head[0] = (byte)'X';
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], text.Length);
        target.Write(head);
        target.Write(text);
    }

    public void Pair(string key, long value)
    {
        Text(key);
        Number(value);
    }

    public void Pair(string key, string value)
    {
        Text(key);
        Text(value);
    }
}
