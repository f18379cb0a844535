namespace SgLang.Profiling;

/// <summary>
/// One trace in Perfetto's own format. Slices have to be written in the order of their times for each track, so a rank is held until it is
/// read: some hundred bytes an event, encoded, and 40 beside them. Slices that overlap without nesting get lanes, as Perfetto drops them otherwise.
/// </summary>
internal sealed class PftraceRank
{
    private const int CompressAt = 1 << 18;

    /// <summary>Slices looked at for the one around a flow's end.</summary>
    private const int MaxNesting = 256;

    private readonly MergeSource _source;
    private readonly PftraceTracks _tracks;
    private readonly TextTable _names = new();
    private readonly TextTable _categories = new();
    private readonly TextTable _annotationNames = new();
    private readonly PftraceBuffers _buffers;
    private readonly List<PftraceSlice> _slices;
    private readonly List<(int Track, long Time, ulong Id)> _flows;
    private readonly ProtoWriter _scratch = new();
    private readonly ProtoWriter _packets = new();

    /// <param name="label">Before every process's name; empty for a file of one rank.</param>
    /// <param name="buffers">Empty, and this rank's alone until it is written.</param>
    public PftraceRank(MergeSource source, string label, PftraceBuffers buffers)
    {
        _source = source;
        _buffers = buffers;
        _slices = buffers.Slices;
        _flows = buffers.Flows;
        _tracks = new PftraceTracks(label, source.Index);
    }

    private uint Sequence => (uint)_source.Index + 1;

    /// <exception cref="TraceMergeException">It is damaged, and that is not allowed.</exception>
    public void Read() => _source.Read(Add);

    public void Write(Stream target)
    {
        int[] order = new int[_slices.Count];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(order, (a, b) =>
        {
            PftraceSlice x = _slices[a], y = _slices[b];
            return x.Track != y.Track ? x.Track.CompareTo(y.Track) : x.Start != y.Start ? x.Start.CompareTo(y.Start) : x.End != y.End ? y.End.CompareTo(x.End) : a.CompareTo(b);
        });
        BindFlows(order);
        var lanes = new int[_tracks.Count];
        var laneOf = new ushort[order.Length];
        var placing = new SliceLanes();
        for (int i = 0; i < order.Length; i++)
        {
            PftraceSlice slice = _slices[order[i]];
            if (slice.Type == PftraceFields.Event.SliceBegin) laneOf[i] = checked((ushort)placing.Place(slice.Track, slice.Start, slice.End));
            lanes[slice.Track] = Math.Max(lanes[slice.Track], laneOf[i] + 1);
        }

        WriteNames();
        _tracks.Write(body => Packet(PftraceFields.Packet.TrackDescriptor, body), lanes);
        var open = new List<Stack<long>>();
        int track = -1, flow = 0;
        for (int i = 0; i < order.Length; i++)
        {
            PftraceSlice slice = _slices[order[i]];
            if (slice.Track != track) CloseAll(track, open);
            track = slice.Track;
            if (slice.Type == PftraceFields.Event.SliceBegin)
            {
                while (open.Count <= laneOf[i]) open.Add(new Stack<long>());
                CloseLane(track, laneOf[i], open[laneOf[i]], slice.Start);
                open[laneOf[i]].Push(slice.End);
            }
            WriteEvent(in slice, laneOf[i], i, ref flow);
            if (_packets.Length >= CompressAt) Flush(target);
        }
        CloseAll(track, open);
        Flush(target);
    }

    private void Add(TraceEvent item)
    {
        long start = item.HasTime ? Math.Max(0, item.Time + _source.Shift) : 0;
        switch (item.Phase)
        {
            case (byte)'M':
                _tracks.Describe(item);
                break;
            case (byte)'X':
                AddSlice(item, PftraceFields.Event.SliceBegin, start, start + Math.Max(0, item.HasDuration ? item.Duration : 0));
                break;
            case (byte)'i' or (byte)'I':
                AddSlice(item, PftraceFields.Event.Instant, start, start);
                break;
            case (byte)'s' or (byte)'t' or (byte)'f' when TraceEvent.TryInteger(item.Id, out long id):
                _flows.Add((_tracks.Of(item.Pid, item.Tid), start, ((ulong)_source.Index << 32) + (ulong)id));
                break;
            case (byte)'C':
                AddCounters(item, start);
                break;
        }
    }

    private void AddSlice(TraceEvent item, int type, long start, long end)
    {
        _scratch.Clear();
        for (int i = 0; i < item.NumArguments; i++) Annotate(item.ArgumentName(i), item.ArgumentValue(i));
        (int block, int at) = _buffers.Keep(_scratch.Written);
        int category = item.Category.IsEmpty ? 0 : _categories.Intern(item.Category);
        int name = item.Name.Contains((byte)'\\') ? _names.Intern(TraceEvent.Decode([(byte)'"', .. item.Name, (byte)'"'])) : _names.Intern(item.Name);
        _slices.Add(new PftraceSlice(start, end, _tracks.Of(item.Pid, item.Tid), name, at, _scratch.Length, checked((ushort)block), checked((ushort)category), (byte)type));
    }

    private void AddCounters(TraceEvent item, long time)
    {
        for (int i = 0; i < item.NumArguments; i++)
        {
            if (!item.TryArgument(item.ArgumentName(i), out double value)) continue;
            byte[] name = [.. item.Name, (byte)' ', .. item.ArgumentName(i)];
            _slices.Add(new PftraceSlice(time, BitConverter.DoubleToInt64Bits(value), _tracks.Of(item.Pid, item.Tid, name), 0, 0, 0, 0, 0, PftraceFields.Event.CounterValue));
        }
    }

    private void Annotate(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        int annotation = _scratch.Begin(PftraceFields.Event.DebugAnnotations);
        _scratch.Integer(PftraceFields.Annotation.NameId, _annotationNames.Intern(name) + 1);
        if (TraceEvent.TryInteger(value, out long integer)) _scratch.Integer(PftraceFields.Annotation.Integer, integer);
        else if (value[0] == '"') _scratch.Bytes(PftraceFields.Annotation.Text, value.Contains((byte)'\\') ? System.Text.Encoding.UTF8.GetBytes(TraceEvent.Decode(value)) : value[1..^1]);
        else if (value[0] is (byte)'t' or (byte)'f') _scratch.Integer(PftraceFields.Annotation.Bool, value[0] == 't' ? 1 : 0);
        else if (value[0] is not ((byte)'[' or (byte)'{' or (byte)'n') && System.Buffers.Text.Utf8Parser.TryParse(value, out double number, out int used) && used == value.Length) _scratch.Double(PftraceFields.Annotation.Double, number);
        else _scratch.Bytes(PftraceFields.Annotation.Json, value);
        _scratch.End(annotation);
    }

    /// <summary>Each end of a flow belongs to the innermost slice around it on its track: its number becomes that of the slice's place in the order.</summary>
    private void BindFlows(int[] order)
    {
        for (int f = 0; f < _flows.Count; f++)
        {
            (int track, long time, ulong id) = _flows[f];
            int low = 0, high = order.Length;
            while (low < high)
            {
                int middle = (low + high) / 2;
                PftraceSlice slice = _slices[order[middle]];
                if (slice.Track < track || (slice.Track == track && slice.Start <= time)) low = middle + 1;
                else high = middle;
            }
            int place = low - 1;
            while (place >= 0 && place > low - MaxNesting && _slices[order[place]].Track == track && !(_slices[order[place]].Type == PftraceFields.Event.SliceBegin && _slices[order[place]].End >= time)) place--;
            bool isFound = place >= 0 && place > low - MaxNesting && _slices[order[place]].Track == track;
            _flows[f] = (isFound ? place : -1, time, id);
        }
        _flows.Sort(static (a, b) => a.Track.CompareTo(b.Track));
    }

    private void WriteNames()
    {
        int packet = _packets.Begin(PftraceFields.TracePacket);
        _packets.Integer(PftraceFields.Packet.SequenceId, Sequence);
        _packets.Integer(PftraceFields.Packet.SequenceFlags, PftraceFields.StateCleared | PftraceFields.NeedsState);
        int interned = _packets.Begin(PftraceFields.Packet.InternedData);
        Table(PftraceFields.Interned.Categories, _categories);
        Table(PftraceFields.Interned.Names, _names);
        Table(PftraceFields.Interned.AnnotationNames, _annotationNames);
        _packets.End(interned);
        _packets.End(packet);

        void Table(int field, TextTable table)
        {
            for (int id = 0; id < table.Count; id++)
            {
                int entry = _packets.Begin(field);
                _packets.Integer(PftraceFields.Interned.Id, id + 1);
                _packets.Bytes(PftraceFields.Interned.Text, table.Bytes(id));
                _packets.End(entry);
            }
        }
    }

    private void WriteEvent(in PftraceSlice slice, int lane, int place, ref int flow)
    {
        (int packet, int item) = BeginEvent(slice.Start, slice.Type, _tracks.Uuid(slice.Track, lane));
        if (slice.Type == PftraceFields.Event.CounterValue)
        {
            _packets.Double(PftraceFields.Event.DoubleCounterValue, BitConverter.Int64BitsToDouble(slice.End));
        }
        else
        {
            _packets.Integer(PftraceFields.Event.NameId, slice.Name + 1);
            if (slice.Category != 0) _packets.Integer(PftraceFields.Event.CategoryIds, slice.Category + 1);
            if (slice.NumBytes > 0) _packets.Raw(_buffers.Kept(slice.Block, slice.At, slice.NumBytes));
            while (flow < _flows.Count && _flows[flow].Track < place) flow++;
            for (; flow < _flows.Count && _flows[flow].Track == place; flow++) _packets.Fixed64(PftraceFields.Event.FlowIds, _flows[flow].Id);
        }
        _packets.End(item);
        _packets.End(packet);
    }

    private void CloseAll(int track, List<Stack<long>> open)
    {
        for (int lane = 0; lane < open.Count; lane++) CloseLane(track, lane, open[lane], long.MaxValue);
    }

    private void CloseLane(int track, int lane, Stack<long> open, long until)
    {
        while (open.Count > 0 && open.Peek() <= until)
        {
            (int packet, int item) = BeginEvent(open.Pop(), PftraceFields.Event.SliceEnd, _tracks.Uuid(track, lane));
            _packets.End(item);
            _packets.End(packet);
        }
    }

    private (int Packet, int Event) BeginEvent(long time, int type, ulong track)
    {
        int packet = _packets.Begin(PftraceFields.TracePacket);
        _packets.Integer(PftraceFields.Packet.Timestamp, time);
        _packets.Integer(PftraceFields.Packet.SequenceId, Sequence);
        _packets.Integer(PftraceFields.Packet.SequenceFlags, PftraceFields.NeedsState);
        int item = _packets.Begin(PftraceFields.Packet.TrackEvent);
        _packets.Integer(PftraceFields.Event.Type, type);
        _packets.Integer(PftraceFields.Event.TrackUuid, track);
        return (packet, item);
    }

    private void Packet(int field, Action<ProtoWriter> body)
    {
        int packet = _packets.Begin(PftraceFields.TracePacket);
        _packets.Integer(PftraceFields.Packet.SequenceId, Sequence);
        int inner = _packets.Begin(field);
        body(_packets);
        _packets.End(inner);
        _packets.End(packet);
    }

    private void Flush(Stream target)
    {
        if (_packets.Length == 0) return;
        PftraceMerge.WriteCompressed(_packets.Written, target);
        _packets.Clear();
    }
}
