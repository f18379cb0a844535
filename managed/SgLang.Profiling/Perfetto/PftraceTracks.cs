using System.Text;

namespace SgLang.Profiling;

/// <summary>
/// Tracks of one rank: a group for each process or device, in it one for each thread, stream or counter. A track's number is unique in the
/// file, the rank's index above 32 bits.
/// </summary>
internal sealed class PftraceTracks(string label, int index)
{
    private const int LanesOfTrack = 1 << 12;

    private readonly TextTable _keys = new();
    private readonly List<Group> _groups = [];
    private readonly List<Track> _tracks = [];
    private readonly Dictionary<int, int> _groupOfKey = [];
    private readonly Dictionary<int, int> _trackOfKey = [];
    private byte[] _key = new byte[64];

    public int Count => _tracks.Count;

    public int Of(ReadOnlySpan<byte> pid, ReadOnlySpan<byte> tid, ReadOnlySpan<byte> counter = default)
    {
        int length = pid.Length + tid.Length + counter.Length + 2;
        if (_key.Length < length) _key = new byte[2 * length];
        pid.CopyTo(_key);
        _key[pid.Length] = (byte)'/';
        tid.CopyTo(_key.AsSpan(pid.Length + 1));
        _key[pid.Length + 1 + tid.Length] = (byte)'/';
        counter.CopyTo(_key.AsSpan(pid.Length + tid.Length + 2));
        int key = _keys.Intern(_key.AsSpan(0, length));
        if (_trackOfKey.TryGetValue(key, out int track)) return track;
        string name = counter.IsEmpty ? Encoding.UTF8.GetString(tid).Trim('"') : Encoding.UTF8.GetString(counter);
        TraceEvent.TryInteger(tid, out long order);
        _tracks.Add(new Track { Group = GroupOf(pid), Name = name, Order = order, IsCounter = !counter.IsEmpty });
        _trackOfKey.Add(key, _tracks.Count - 1);
        return _tracks.Count - 1;
    }

    public void Describe(TraceEvent metadata)
    {
        if (metadata.Name.SequenceEqual("process_name"u8)) _groups[GroupOf(metadata.Pid)].Name = TraceEvent.Decode(metadata.Argument("name"u8));
        else if (metadata.Name.SequenceEqual("process_labels"u8)) _groups[GroupOf(metadata.Pid)].Labels = TraceEvent.Decode(metadata.Argument("labels"u8));
        else if (metadata.Name.SequenceEqual("thread_name"u8)) _tracks[Of(metadata.Pid, metadata.Tid)].Name = TraceEvent.Decode(metadata.Argument("name"u8)).Trim();
        else if (metadata.Name.SequenceEqual("thread_sort_index"u8) && metadata.TryArgument("sort_index"u8, out long order)) _tracks[Of(metadata.Pid, metadata.Tid)].Order = order;
    }

    public ulong Uuid(int track, int lane) => ((ulong)(index + 1) << 32) + (ulong)_groups.Count + 1 + (ulong)(track * LanesOfTrack + lane);

    /// <param name="lanes">How many each track needs; 0 leaves it out, as tracks that only metadata tells of.</param>
    public void Write(Action<Action<ProtoWriter>> packet, int[] lanes)
    {
        var isUsed = new bool[_groups.Count];
        for (int i = 0; i < _tracks.Count; i++) isUsed[_tracks[i].Group] |= lanes[i] > 0;
        for (int g = 0; g < _groups.Count; g++)
        {
            if (!isUsed[g]) continue;
            Group group = _groups[g];
            ulong uuid = GroupUuid(g);
            packet(proto =>
            {
                proto.Integer(PftraceFields.Track.Uuid, uuid);
                // The ranks' pids lie apart as in a merged JSON file.
                long pid = group.Pid is { } number ? index * EventRewriter.PidStride + number : -1;
                if (!group.IsDevice && pid is > 0 and <= int.MaxValue)
                {
                    int process = proto.Begin(PftraceFields.Track.Process);
                    proto.Integer(PftraceFields.Process.Pid, pid);
                    proto.Text(PftraceFields.Process.Name, $"{label}{group.Name}");
                    if (group.Labels.Length > 0) proto.Text(PftraceFields.Process.Labels, group.Labels);
                    proto.End(process);
                }
                else
                {
                    proto.Text(PftraceFields.Track.Name, $"{label}{(group.Labels.Length > 0 ? group.Labels : group.Name)}");
                }
                proto.Integer(PftraceFields.Track.ChildOrdering, PftraceFields.Track.Explicit);
            });
        }
        int[] order = [.. Enumerable.Range(0, _tracks.Count).OrderBy(i => _tracks[i].Order)];
        for (int rank = 0; rank < order.Length; rank++)
        {
            int i = order[rank];
            Track track = _tracks[i];
            for (int lane = 0; lane < lanes[i]; lane++)
            {
                int its = lane;
                packet(proto =>
                {
                    proto.Integer(PftraceFields.Track.Uuid, Uuid(i, its));
                    proto.Integer(PftraceFields.Track.Parent, GroupUuid(track.Group));
                    proto.Text(PftraceFields.Track.Name, its == 0 ? track.Name : $"{track.Name} (overlap {its})");
                    if (track.IsCounter) proto.End(proto.Begin(PftraceFields.Track.Counter));
                    proto.Integer(PftraceFields.Track.SiblingOrderRank, (long)rank * 64 + Math.Min(its, 63));
                });
            }
        }
    }

    private ulong GroupUuid(int group) => ((ulong)(index + 1) << 32) + (ulong)group + 1;

    private int GroupOf(ReadOnlySpan<byte> pid)
    {
        int key = _keys.Intern(pid);
        if (_groupOfKey.TryGetValue(key, out int group)) return group;
        string text = Encoding.UTF8.GetString(pid).Trim('"');
        bool isNumber = TraceEvent.TryInteger(pid, out long number);
        _groups.Add(new Group { Name = text.Length > 0 ? text : "trace", Pid = isNumber ? number : null, IsDevice = isNumber && number is >= 0 and < EventRewriter.FirstHostPid });
        _groupOfKey.Add(key, _groups.Count - 1);
        return _groups.Count - 1;
    }

    private sealed class Group
    {
        public required string Name { get; set; }
        public string Labels { get; set; } = "";
        public long? Pid { get; init; }
        public bool IsDevice { get; init; }
    }

    private sealed class Track
    {
        public required int Group { get; init; }
        public required string Name { get; set; }
        public long Order { get; set; }
        public bool IsCounter { get; init; }
    }
}
