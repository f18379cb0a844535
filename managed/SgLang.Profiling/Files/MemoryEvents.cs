namespace SgLang.Profiling;

/// <summary>
/// Memory over a window: an event of Kineto's `[memory]` for each block at its beginning and for each change, with the sums of its device, and counters of
/// the bytes in use by what they are for. Of the KV pool only what tokens fill counts as in use; all of it is reserved.
/// </summary>
/// <param name="thread">Whose track the blocks are drawn on.</param>
internal sealed class MemoryEvents(EventText events, ITraceRecords records, TraceMemory memory, int thread)
{
    private static readonly string[] s_uses = ["buffers", "weights", "KV cache", "activations", "graphs", "staging"];

    private readonly JsonText _json = events.Json;

    // By type and number of the device.
    private readonly SortedDictionary<(int Type, int Id), Sums> _devices = [];
    private MemoryBlock? _pool;
    private int _nextChange;

    /// <summary>The blocks that were there when the window began.</summary>
    public void WriteStart()
    {
        long time = records.Clock.Relative(records.StartTicks);
        foreach (MemoryBlock block in memory.History.Blocks) Reserve(block, 1);
        foreach (MemoryBlock block in memory.History.Blocks)
            if (!IsPool(block)) Change(block, block.NumBytes, time, thread);
        Count(time);
    }

    /// <summary>A plan of the scheduler, in the order of their times.</summary>
    public void WritePlan(long ticks, long usedTokens, int planner)
    {
        WriteChanges(ticks);
        long used = usedTokens * memory.BytesPerToken, time = records.Clock.Relative(ticks);
        events.Next();
        _json.Property("{\"ph\":\"C\",\"cat\":\"memory\",\"name\":\"KV pool\",\"pid\":"u8, events.Pid);
        _json.Property(",\"tid\":"u8, planner);
        _json.Raw(",\"ts\":"u8);
        _json.Microseconds(time);
        _json.Property(",\"args\":{\"bytes in use\":"u8, used);
        _json.Raw("}}"u8);
        if (_pool is null) return;
        Sums sums = SumsOf(_pool);
        long change = used - sums.OfUse[(int)MemoryUse.KvCache];
        if (change == 0 && sums.KnowsPool) return;
        sums.KnowsPool = true;
        Change(_pool, change, time, planner);
        Count(time);
    }

    /// <summary>What came and went until then.</summary>
    public void WriteChanges(long until = long.MaxValue)
    {
        for (; _nextChange < memory.History.Changes.Count && memory.History.Changes[_nextChange].Ticks <= until; _nextChange++)
        {
            MemoryChange change = memory.History.Changes[_nextChange];
            long time = records.Clock.Relative(change.Ticks);
            Reserve(change.Block, change.IsFree ? -1 : 1);
            if (IsPool(change.Block)) continue;
            Change(change.Block, change.IsFree ? -change.Block.NumBytes : change.Block.NumBytes, time, thread);
            Count(time);
        }
    }

    private static bool IsPool(MemoryBlock block) => block.Use == MemoryUse.KvCache;

    private void Reserve(MemoryBlock block, int sign)
    {
        if (IsPool(block)) _pool = sign > 0 ? block : null;
        SumsOf(block).Reserved += sign * block.NumBytes;
    }

    private void Change(MemoryBlock block, long bytes, long time, int track)
    {
        Sums sums = SumsOf(block);
        sums.OfUse[(int)block.Use] += bytes;
        (int type, int id) = memory.PlaceOf(block);
        events.Next();
        _json.Property("{\"ph\":\"i\",\"cat\":\"cpu_instant_event\",\"s\":\"t\",\"name\":\"[memory]\",\"pid\":"u8, events.Pid);
        _json.Property(",\"tid\":"u8, track);
        _json.Raw(",\"ts\":"u8);
        _json.Microseconds(time);
        _json.Property(",\"args\":{\"Total Reserved\":"u8, sums.Reserved);
        _json.Property(",\"Total Allocated\":"u8, sums.OfUse.Sum());
        _json.Property(",\"Bytes\":"u8, bytes);
        _json.Property(",\"Addr\":"u8, block.Address);
        _json.Property(",\"Device Id\":"u8, id);
        _json.Property(",\"Device Type\":"u8, type);
        _json.Property(",\"Ev Idx\":"u8, events.Count);
        _json.Raw(",\"Use\":"u8);
        _json.Text(s_uses[(int)block.Use]);
        _json.Raw(",\"Block\":"u8);
        _json.Text(block.Name);
        _json.Raw("}}"u8);
    }

    /// <summary>A counter of each device with a series for each use.</summary>
    private void Count(long time)
    {
        foreach (((int type, int id), Sums sums) in _devices)
        {
            events.Next();
            _json.Raw("{\"ph\":\"C\",\"cat\":\"memory\",\"name\":"u8);
            _json.Text(type == 0 ? "host memory" : $"GPU {id} memory");
            _json.Property(",\"pid\":"u8, events.Pid);
            _json.Property(",\"tid\":"u8, thread);
            _json.Raw(",\"ts\":"u8);
            _json.Microseconds(time);
            _json.Raw(",\"args\":{"u8);
            for (int use = 0; use < s_uses.Length; use++)
            {
                if (use > 0) _json.Raw(","u8);
                _json.Text(s_uses[use]);
                _json.Property(":"u8, sums.OfUse[use]);
            }
            _json.Raw("}}"u8);
        }
    }

    private Sums SumsOf(MemoryBlock block)
    {
        (int, int) place = memory.PlaceOf(block);
        if (!_devices.TryGetValue(place, out Sums? sums)) _devices.Add(place, sums = new Sums());
        return sums;
    }

    private sealed class Sums
    {
        public long Reserved { get; set; }
        public long[] OfUse { get; } = new long[s_uses.Length];
        public bool KnowsPool { get; set; }
    }
}
