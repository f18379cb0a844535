using System.IO.Hashing;
using System.Text;

namespace SgLang.Profiling;

/// <summary>Texts by small numbers, found by their UTF-8 bytes, so that a text that is known costs no allocation. 0 is the empty text.</summary>
internal sealed class TextTable
{
    private int[] _slots = new int[256];
    private ulong[] _hashes = new ulong[128];
    private byte[][] _bytes = new byte[128][];
    private string?[] _texts = new string?[128];

    public TextTable() => Intern(default(ReadOnlySpan<byte>));

    public int Count { get; private set; }

    public string this[int id] => _texts[id] ??= Encoding.UTF8.GetString(_bytes[id]);

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    public int Intern(string text) => Intern(Encoding.UTF8.GetBytes(text));

    public int Intern(ReadOnlySpan<byte> text)
    {
        ulong hash = XxHash3.HashToUInt64(text);
        int slot = (int)hash & (_slots.Length - 1);
        for (; _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            int known = _slots[slot] - 1;
            if (_hashes[known] == hash && text.SequenceEqual(_bytes[known])) return known;
        }
        int id = Count++;
        if (id == _bytes.Length) Grow();
        _bytes[id] = text.ToArray();
        _hashes[id] = hash;
        Place(id);
        return id;
    }

    private void Grow()
    {
        Array.Resize(ref _bytes, 2 * _bytes.Length);
        Array.Resize(ref _hashes, _bytes.Length);
        Array.Resize(ref _texts, _bytes.Length);
        _slots = new int[2 * _bytes.Length];
        for (int id = 0; id < Count - 1; id++) Place(id);
    }

    private void Place(int id)
    {
        int slot = (int)_hashes[id] & (_slots.Length - 1);
        while (_slots[slot] != 0) slot = (slot + 1) & (_slots.Length - 1);
        _slots[slot] = id + 1;
    }
}
