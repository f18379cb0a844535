using System.Text;

namespace SgLang.Profiling;

/// <summary>
/// The slices of a trace that overlap another of their track without nesting, which Perfetto drops: each is given a lane beside the track, the
/// arrow that ends or begins with it too. Kernels of a stream overlap so under programmatic dependent launch.
/// </summary>
internal sealed class OverlapLanes
{
    /// <summary>Between the number of a thread and those of its lanes: larger than any number of a thread of Linux, and than any of a stream or its waits.</summary>
    private const long LaneStride = 10_000_000;

    private readonly TextTable _keys = new();
    private readonly List<Slice> _slices = [];
    private readonly Dictionary<long, int> _laneOfSlice = [];
    private readonly Dictionary<(int Track, long Start), int> _laneOfStart = [];
    private readonly Dictionary<int, int> _lanesOfTrack = [];
    private readonly Dictionary<int, string> _names = [];
    private byte[] _key = new byte[64];
    private long _ordinal;

    private OverlapLanes()
    {
    }

    /// <summary>Reads a trace once for its slices; null where none overlaps. Some 40 bytes a slice meanwhile.</summary>
    public static OverlapLanes? Find(MergeSource source)
    {
        OverlapLanes found = new();
        source.Scan(found.Add);
        found.Assign();
        return found._laneOfSlice.Count > 0 ? found : null;
    }

    /// <summary>The lane of the trace's next event, which are asked for in their order; 0 is its track.</summary>
    public int Next(TraceEvent item)
    {
        long ordinal = _ordinal++;
        if (item.Phase == 'X') return _laneOfSlice.GetValueOrDefault(ordinal);
        if (item.Phase is (byte)'s' or (byte)'t' or (byte)'f' && item.HasTime) return _laneOfStart.GetValueOrDefault((TrackOf(item), item.Time));
        if (item.Phase == 'M' && item.Name.SequenceEqual("thread_name"u8)) _names[TrackOf(item)] = TraceEvent.Decode(item.Argument("name"u8));
        return 0;
    }

    /// <summary>Metadata events that name the lanes, to be written after the trace's own, as text.</summary>
    public IEnumerable<byte[]> Describe()
    {
        foreach ((int track, int lanes) in _lanesOfTrack.OrderBy(pair => pair.Key))
        {
            string key = _keys[track];
            string pid = key[..key.IndexOf('\n', StringComparison.Ordinal)], tid = key[(pid.Length + 1)..];
            string name = _names.TryGetValue(track, out string? known) ? known.Trim() : $"thread {tid.Trim('"')}";
            bool isNumber = long.TryParse(tid, System.Globalization.CultureInfo.InvariantCulture, out long number);
            for (int lane = 1; lane < lanes; lane++)
            {
                string its = Encoding.UTF8.GetString(Tid(Encoding.UTF8.GetBytes(tid), lane));
                yield return [.. Encoding.UTF8.GetBytes($$"""{"name":"thread_name","ph":"M","ts":0.000,"pid":{{pid}},"tid":{{its}},"args":{"name":"""), .. JsonText.Quote($"{name} (overlap {lane})"), .. "}}"u8];
                if (isNumber) yield return Encoding.UTF8.GetBytes($$$"""{"name":"thread_sort_index","ph":"M","ts":0.000,"pid":{{{pid}}},"tid":{{{its}}},"args":{"sort_index":{{{number}}}}}""");
            }
        }
    }

    /// <summary>A thread's number or text on a lane, as it stands in a file.</summary>
    public static byte[] Tid(ReadOnlySpan<byte> tid, int lane) => TraceEvent.TryInteger(tid, out long number)
        ? Encoding.ASCII.GetBytes((number + lane * LaneStride).ToString(System.Globalization.CultureInfo.InvariantCulture))
        : JsonText.Quote($"{TraceEvent.Decode(tid)} (overlap {lane})");

    private void Add(TraceEvent item)
    {
        long ordinal = _ordinal++;
        if (item.Phase != 'X' || !item.HasTime || !item.HasDuration) return;
        long start = item.Time;
        _slices.Add(new Slice(TrackOf(item), start, start + item.Duration, ordinal));
    }

    private void Assign()
    {
        _slices.Sort(static (a, b) => a.Track != b.Track ? a.Track.CompareTo(b.Track) : a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.End != b.End ? b.End.CompareTo(a.End) : a.Ordinal.CompareTo(b.Ordinal));
        SliceLanes lanes = new();
        foreach (Slice slice in _slices)
        {
            int lane = lanes.Place(slice.Track, slice.Start, slice.End);
            if (lane == 0) continue;
            _laneOfSlice.Add(slice.Ordinal, lane);
            _laneOfStart[(slice.Track, slice.Start)] = lane;
            _lanesOfTrack[slice.Track] = lanes.Count(slice.Track);
        }
        _slices.Clear();
        _slices.TrimExcess();
        _ordinal = 0;
    }

    private int TrackOf(TraceEvent item)
    {
        ReadOnlySpan<byte> pid = item.Pid, tid = item.Tid;
        int length = pid.Length + tid.Length + 1;
        if (_key.Length < length) _key = new byte[2 * length];
        pid.CopyTo(_key);
        _key[pid.Length] = (byte)'\n';
        tid.CopyTo(_key.AsSpan(pid.Length + 1));
        return _keys.Intern(_key.AsSpan(0, length));
    }

    private readonly record struct Slice(int Track, long Start, long End, long Ordinal);
}
