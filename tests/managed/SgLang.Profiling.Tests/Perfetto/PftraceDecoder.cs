using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace SgLang.Profiling.Tests.Perfetto;

internal sealed record DecodedSlice(string Track, string Name, string Category, long Start, long End, int Depth, Dictionary<string, string> Annotations, ulong[] Flows);

/// <summary>
/// Reads a file of Perfetto's format as Perfetto does: unpacks compressed packets, keeps names for each sequence, sorts events by time and
/// leaves those of one moment in their order, and closes the innermost open slice of a track at an end. Knows protobuf's wire format and
/// nothing of the writer.
/// </summary>
internal sealed class PftraceDecoder
{
    private readonly Dictionary<(ulong Sequence, int Table, ulong Id), string> _names = [];
    private readonly List<(long Time, Action Apply)> _events = [];
    private readonly Dictionary<ulong, Stack<int>> _open = [];
    private readonly Dictionary<ulong, (string Name, ulong Parent)> _tracks = [];

    public List<DecodedSlice> Slices { get; } = [];
    public List<DecodedSlice> Instants { get; } = [];
    public List<(string Track, long Time, double Value)> Counters { get; } = [];
    public Dictionary<long, long> ClockSnapshot { get; } = [];
    public List<(long Pid, string Name)> Processes { get; } = [];

    /// <summary>Ends without a slice, and slices without an end.</summary>
    public int Unbalanced { get; private set; }

    public PftraceDecoder(string path)
    {
        Packets(File.ReadAllBytes(path));
        foreach ((_, Action apply) in _events.Select((e, i) => (e, i)).OrderBy(x => x.e.Time).ThenBy(x => x.i).Select(x => x.e)) apply();
        Unbalanced += _open.Values.Sum(stack => stack.Count);
    }

    private void Packets(byte[] trace)
    {
        foreach (Field packet in Fields(trace))
        {
            Assert.Equal(1, packet.Number);
            Packet([.. Fields(packet.Bytes)]);
        }
    }

    private void Packet(Field[] packet)
    {
        ulong sequence = packet.SingleOrDefault(f => f.Number == 10).Value;
        if ((packet.SingleOrDefault(f => f.Number == 13).Value & 1) != 0)
            foreach (var key in _names.Keys.Where(key => key.Sequence == sequence).ToArray()) _names.Remove(key);
        long time = (long)packet.SingleOrDefault(f => f.Number == 8).Value;
        foreach (Field field in packet)
        {
            switch (field.Number)
            {
                case 50:
                    using (var zlib = new ZLibStream(new MemoryStream(field.Bytes), CompressionMode.Decompress))
                    using (var plain = new MemoryStream())
                    {
                        zlib.CopyTo(plain);
                        Packets(plain.ToArray());
                    }
                    break;
                case 12:
                    foreach (Field table in Fields(field.Bytes))
                    {
                        Field[] entry = [.. Fields(table.Bytes)];
                        _names.Add((sequence, table.Number, entry.Single(f => f.Number == 1).Value), entry.Single(f => f.Number == 2).Text);
                    }
                    break;
                case 60:
                    Track([.. Fields(field.Bytes)]);
                    break;
                case 6:
                    foreach (Field clock in Fields(field.Bytes).Where(f => f.Number == 1))
                    {
                        Field[] values = [.. Fields(clock.Bytes)];
                        ClockSnapshot.Add((long)values.Single(f => f.Number == 1).Value, (long)values.Single(f => f.Number == 2).Value);
                    }
                    break;
                case 11:
                    Field[] item = [.. Fields(field.Bytes)];
                    _events.Add((time, () => Event(sequence, time, item)));
                    break;
            }
        }
    }

    private void Track(Field[] track)
    {
        string name = track.SingleOrDefault(f => f.Number == 2).Text;
        if (track.FirstOrDefault(f => f.Number == 3).Bytes is { } process)
        {
            Field[] values = [.. Fields(process)];
            name = values.Single(f => f.Number == 6).Text;
            Processes.Add(((long)values.Single(f => f.Number == 1).Value, name));
        }
        _tracks.Add(track.Single(f => f.Number == 1).Value, (name, track.SingleOrDefault(f => f.Number == 5).Value));
    }

    private void Event(ulong sequence, long time, Field[] item)
    {
        ulong track = item.Single(f => f.Number == 11).Value;
        if (!_open.TryGetValue(track, out Stack<int>? open)) _open.Add(track, open = []);
        switch (item.Single(f => f.Number == 9).Value)
        {
            case 1:
                open.Push(Slices.Count);
                Slices.Add(Slice(open.Count - 1));
                break;
            case 2 when open.TryPop(out int index):
                Slices[index] = Slices[index] with { End = time };
                break;
            case 2:
                Unbalanced++;
                break;
            case 3:
                Instants.Add(Slice(0));
                break;
            case 4:
                Counters.Add((TrackName(track), time, BitConverter.UInt64BitsToDouble(item.Single(f => f.Number == 44).Value)));
                break;
        }

        DecodedSlice Slice(int depth) => new(TrackName(track), NameOf(item, 10, 2, 23), item.Any(f => f.Number == 3) ? NameOf(item, 3, 1, 22) : "", time, -1, depth,
            item.Where(f => f.Number == 4).Select(f => Fields(f.Bytes).ToArray()).ToDictionary(a => NameOf(a, 1, 3, 10), Value), [.. item.Where(f => f.Number == 47).Select(f => f.Value)]);

        string NameOf(Field[] of, int idField, int table, int textField) =>
            of.FirstOrDefault(f => f.Number == textField).Bytes is { } text ? Encoding.UTF8.GetString(text) : _names[(sequence, table, of.Single(f => f.Number == idField).Value)];
    }

    private string TrackName(ulong track) => _tracks[track] is var (name, parent) && parent != 0 ? $"{_tracks[parent].Name}/{name}" : _tracks[track].Name;

    private static string Value(Field[] annotation)
    {
        Field value = annotation.Single(f => f.Number is 2 or 4 or 5 or 6 or 9);
        return value.Number switch
        {
            2 => value.Value == 1 ? "true" : "false",
            4 => $"{(long)value.Value}",
            5 => BitConverter.UInt64BitsToDouble(value.Value).ToString("R", System.Globalization.CultureInfo.InvariantCulture),
            _ => value.Text,
        };
    }

    private static IEnumerable<Field> Fields(byte[] message)
    {
        for (int at = 0; at < message.Length;)
        {
            ulong tag = Varint();
            int number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    yield return new Field(number, Varint(), null!);
                    break;
                case 1:
                    yield return new Field(number, BinaryPrimitives.ReadUInt64LittleEndian(message.AsSpan(at)), null!);
                    at += 8;
                    break;
                case 2:
                    int length = (int)Varint();
                    yield return new Field(number, 0, message[at..(at + length)]);
                    at += length;
                    break;
                default:
                    throw new InvalidDataException($"wire type {tag & 7}");
            }

            ulong Varint()
            {
                ulong value = 0;
                for (int shift = 0; ; shift += 7)
                {
                    byte next = message[at++];
                    value |= (ulong)(next & 0x7f) << shift;
                    if (next < 0x80) return value;
                }
            }
        }
    }

    private readonly record struct Field(int Number, ulong Value, byte[] Bytes)
    {
        public string Text => Bytes is null ? "" : Encoding.UTF8.GetString(Bytes);
    }
}
