using System.Text;

namespace SgLang.Profiling;

/// <summary>Copies an event's text but for the few values that a rank changes.</summary>
/// <param name="index">Of the rank in the merged file.</param>
/// <param name="shift">Nanoseconds to add to every time.</param>
internal sealed class EventRewriter(JsonText json, TraceRank rank, int index, long shift, bool stringPids)
{
    /// <summary>Larger than any process number of Linux, so that no two ranks meet.</summary>
    public const long PidStride = 10_000_000;

    /// <summary>A device's process number is its index; a host's is larger.</summary>
    public const long FirstHostPid = 1000;

    private readonly byte[] _label = Encoding.UTF8.GetBytes(rank.Label + " ");
    private int _copied;

    /// <param name="lane">Beside its own track; 0 is the track.</param>
    public void Write(TraceEvent item, int lane = 0)
    {
        ReadOnlySpan<byte> text = item.Text;
        _copied = 0;
        bool isMetadata = item.Phase == 'M';
        bool isSortIndex = isMetadata && item.Name.SequenceEqual("process_sort_index"u8);
        bool isTrackName = isMetadata && !stringPids && (item.Name.SequenceEqual("process_name"u8) || item.Name.SequenceEqual("process_labels"u8));
        bool isDevice = TraceEvent.TryInteger(item.Pid, out long pid) && pid is >= 0 and < FirstHostPid;

        // In the order in which they stand, whatever that is.
        TextRange pidAt = item.PidRange, tidAt = lane == 0 ? default : item.TidRange, idAt = item.IdRange, timeAt = shift == 0 ? default : item.TimeRange;
        TextRange argumentAt = default;
        for (int i = 0; i < item.NumArguments; i++)
        {
            ReadOnlySpan<byte> name = item.ArgumentName(i);
            bool isChanged = name.Length switch
            {
                11 => name.SequenceEqual("correlation"u8),
                10 => isSortIndex && isDevice && name.SequenceEqual("sort_index"u8),
                4 => isTrackName && name.SequenceEqual("name"u8),
                6 => isTrackName && name.SequenceEqual("labels"u8),
                _ => false,
            };
            if (!isChanged) continue;
            argumentAt = item.ArgumentRange(i);
            break;
        }
        while (true)
        {
            TextRange next = First(First(First(pidAt, tidAt), idAt), First(timeAt, argumentAt));
            if (next.IsEmpty) break;
            json.Raw(text[_copied..next.Start]);
            ReadOnlySpan<byte> value = text[next.Start..next.End];
            if (next == pidAt)
            {
                WritePid(value);
                pidAt = default;
            }
            else if (next == tidAt)
            {
                json.Raw(OverlapLanes.Tid(value, lane));
                tidAt = default;
            }
            else if (next == idAt)
            {
                WriteId(value);
                idAt = default;
            }
            else if (next == timeAt)
            {
                json.Microseconds(Math.Max(0, item.Time + shift));
                timeAt = default;
            }
            else
            {
                if (isSortIndex) json.Number(rank.SortIndex(pid));
                else if (isTrackName) WriteLabelled(value);
                else WriteId(value);
                argumentAt = default;
            }
            _copied = next.End;
        }
        json.Raw(text[_copied..]);
    }

    private static TextRange First(TextRange a, TextRange b) => b.IsEmpty || (!a.IsEmpty && a.Start < b.Start) ? a : b;

    private void WritePid(ReadOnlySpan<byte> value)
    {
        if (TraceEvent.TryInteger(value, out long pid) && !stringPids)
        {
            // Below zero is the collector's own track.
            json.Number(index * PidStride + pid);
        }
        else if (value[0] == '"')
        {
            WriteLabelled(value);
        }
        else
        {
            json.Raw("\""u8);
            json.Raw(_label);
            json.Raw(value);
            json.Raw("\""u8);
        }
    }

    /// <summary>Flow ids and correlations; a text, as other programs' flows have, gets the label.</summary>
    private void WriteId(ReadOnlySpan<byte> value)
    {
        if (TraceEvent.TryInteger(value, out long id)) json.Number(((long)index << 32) + id);
        else if (value[0] == '"') WriteLabelled(value);
        else json.Raw(value);
    }

    private void WriteLabelled(ReadOnlySpan<byte> value)
    {
        if (value[0] != '"')
        {
            json.Raw(value);
            return;
        }
        json.Raw("\""u8);
        json.Raw(_label);
        json.Raw(value[1..]);
    }
}
