using System.Diagnostics;
using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>A thread that recorded something: its ring's index, its number and its name.</summary>
public readonly record struct TracedThread(int Ring, int ThreadId, string Name);

/// <summary>
/// Collects one window: turns the recorder on, moves records from rings to the spool on a thread of its own, and after <see cref="End"/>
/// calls the exporter on that thread, so that nobody who serves waits for a file.
/// </summary>
public sealed class TraceCapture : ITraceRecords
{
    public const long DefaultSpoolBytes = 512L << 20;
    private static long s_windows;

    /// <summary>Between two sweeps, where rings fill quickly and where they do not: on a CPU that computes with all its cores each sweep takes one away for a while.</summary>
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(5), s_longInterval = TimeSpan.FromMilliseconds(15);

    /// <summary>Between two questions to CUPTI, which takes its locks for each.</summary>
    private static readonly TimeSpan s_flushInterval = TimeSpan.FromMilliseconds(100);

    private readonly TraceRecorder _recorder;
    private readonly TraceSpool<TraceRecord> _spool;
    private readonly DeviceTrace? _device;
    private readonly TraceSpool<SglActivity>? _activitySpool;
    private readonly SglActivity[] _activityBlock;
    private readonly Action<TraceCapture> _export;
    private readonly ManualResetEventSlim _ended = new();
    private readonly Thread _thread;
    private readonly TraceRecord[] _block = new TraceRecord[TraceSpool<TraceRecord>.BlockRecords];
    private readonly Dictionary<int, long> _droppedBefore = [];
    private (int Lane, long Start, int Name)[] _unfinished = [];
    private readonly bool _withStacks;
    private long _collectorTicks;

    /// <param name="spoolDirectory">For the temporary file.</param>
    /// <param name="export">Called once on the capture's thread when all records are in the spool.</param>
    /// <param name="device">Whose activity is collected as well; ranks turn it on and off at their steps by <see cref="Window"/>.</param>
    /// <param name="withStacks">Spans are told where they come from.</param>
    public TraceCapture(TraceRecorder recorder, string spoolDirectory, Action<TraceCapture> export, long maxSpoolBytes = DefaultSpoolBytes,
        DeviceTrace? device = null, bool withStacks = false)
    {
        _recorder = recorder;
        _export = export;
        recorder.ForgetDeadThreads();
        SpanCostNanoseconds = SpanCost.Nanoseconds;
        foreach (TraceRing ring in recorder.Rings)
        {
            ring.Discard();
            _droppedBefore[ring.Index] = ring.Dropped;
        }
        Window = Interlocked.Increment(ref s_windows);
        _spool = new TraceSpool<TraceRecord>(spoolDirectory, maxSpoolBytes);
        _device = device;
        _activitySpool = device is null ? null : new TraceSpool<SglActivity>(spoolDirectory, maxSpoolBytes);
        _activityBlock = device is null ? [] : new SglActivity[TraceSpool<SglActivity>.BlockRecords];
        Clock = TraceClock.Now();
        StartTicks = Stopwatch.GetTimestamp();
        recorder.RecordsStacks = _withStacks = withStacks;
        recorder.IsOn = true;
        _thread = new Thread(Run) { Name = "sgl-profiler", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Number of this capture among all of the process.</summary>
    public long Window { get; }

    /// <summary>Null when device activity is not collected.</summary>
    internal DeviceTrace? Device => _device;
    public bool RecordsDevice => _device is not null;
    public long NumActivities => _activitySpool?.NumRecords ?? 0;

    /// <summary>Device activities that found no buffer of CUPTI's, that the library did not understand, or for which the spool had no room.</summary>
    public long DroppedActivities { get; private set; }

    /// <summary>Why device activity is missing that was to be collected.</summary>
    public string? DeviceError { get; private set; }
    internal GraphMap?[] Graphs { get; private set; } = [];
    public TraceClock Clock { get; }
    public long StartTicks { get; }
    public long EndTicks { get; private set; }

    /// <summary>When the last rank had finished its last step; what the device did later was recorded all the same.</summary>
    internal long DeviceEndTicks { get; private set; }

    /// <summary>Of one span on this machine, measured before the window.</summary>
    public double SpanCostNanoseconds { get; }

    /// <summary>Time the collector worked during the window.</summary>
    public double CollectorMilliseconds => Stopwatch.GetElapsedTime(0, _collectorTicks).TotalMilliseconds;

    public long NumRecords => _spool.NumRecords;
    public long SpoolBytes => _spool.NumBytes + (_activitySpool?.NumBytes ?? 0);

    /// <summary>Records lost to full rings and to a full spool.</summary>
    public long DroppedByRings { get; private set; }
    public long DroppedBySpool => _spool.Dropped;
    public IReadOnlyList<TracedThread> Threads { get; private set; } = [];
    public TraceName[] Names { get; private set; } = [];
    public CallStacks? Stacks { get; private set; }

    /// <summary>Ends recording; the export follows on the capture's thread. Returns at once.</summary>
    public void End()
    {
        _unfinished = _recorder.Lanes.TurnOff(_recorder);
        EndTicks = Stopwatch.GetTimestamp();
        _ended.Set();
    }

    /// <summary>Waits until the exporter has returned.</summary>
    public void Join() => _thread.Join();

    /// <summary>Calls <paramref name="visit"/> with every record in the order of each thread, blocks of threads interleaved.</summary>
    public void ForEach(RecordVisitor visit)
    {
        _spool.Rewind();
        while (_spool.TryRead(_block, out int ring, out int count))
            for (int i = 0; i < count; i++) visit(ring, in _block[i]);
    }

    /// <summary>Calls <paramref name="visit"/> with every device activity, roughly in the order of their ends.</summary>
    internal void ForEachActivity(ActivityVisitor visit)
    {
        if (_activitySpool is null) return;
        _activitySpool.Rewind();
        while (_activitySpool.TryRead(_activityBlock, out _, out int count))
            for (int i = 0; i < count; i++) visit(in _activityBlock[i]);
    }

    private void Run()
    {
        try
        {
            long flushed = Stopwatch.GetTimestamp();
            TimeSpan interval = s_interval;
            while (!_ended.Wait(interval))
            {
                // Longer only where the fullest ring has room for many times as much: the fastest thread leaves some thousand records in that time.
                interval = Sweep() * 16 < _recorder.RingCapacity ? s_longInterval : s_interval;
                if (Stopwatch.GetElapsedTime(flushed) < s_flushInterval) continue;
                SweepDevice();
                flushed = Stopwatch.GetTimestamp();
            }
            EndDevice();
            // A thread may stand between reading the clock and publishing its record.
            Sweep();
            Thread.Sleep(1);
            Sweep();
            AddUnfinished();
            Finish();
            _export(this);
        }
        finally
        {
            // End has turned the recorder off; by now the next window may have turned it on again.
            if (!_ended.IsSet) _recorder.IsOn = false;
            _spool.Dispose();
            _activitySpool?.Dispose();
            _ended.Dispose();
        }
    }

    /// <summary>Returns how many records the fullest ring had.</summary>
    private int Sweep()
    {
        long start = Stopwatch.GetTimestamp();
        int most = 0;
        foreach (TraceRing ring in _recorder.Rings)
        {
            int count, all = 0;
            while ((count = ring.Take(_block)) > 0)
            {
                _spool.Append(ring.Index, _block.AsSpan(0, count));
                all += count;
            }
            most = Math.Max(most, all);
        }
        _collectorTicks += Stopwatch.GetTimestamp() - start;
        return most;
    }

    private void SweepDevice()
    {
        if (_device is null || DeviceError is not null) return;
        long start = Stopwatch.GetTimestamp();
        try
        {
            _device.Flush();
            ReadDevice();
        }
        catch (SglException error)
        {
            DeviceError = error.Message;
        }
        _collectorTicks += Stopwatch.GetTimestamp() - start;
    }

    private void EndDevice()
    {
        DeviceEndTicks = EndTicks;
        if (_device is null) return;
        try
        {
            DeviceError ??= _device.FailureOf(Window);
            DeviceEndTicks = Math.Min(EndTicks, _device.ForceOff(Window));
            ReadDevice();
            (long dropped, long unknown) = _device.Loss();
            DroppedActivities = dropped + unknown + _activitySpool!.Dropped;
        }
        catch (SglException error)
        {
            DeviceError ??= error.Message;
        }
    }

    private void ReadDevice()
    {
        int count;
        while ((count = _device!.Read(_activityBlock)) > 0) _activitySpool!.Append(0, _activityBlock.AsSpan(0, count));
    }

    private void AddUnfinished()
    {
        foreach ((int lane, long start, int name) in _unfinished)
        {
            // Count 1 marks a span that was cut off.
            _block[0] = new TraceRecord { Start = start, End = EndTicks, Name = name, Lane = lane + 1, Kind = TraceKind.Span, Count = 1 };
            _spool.Append(-1, _block.AsSpan(0, 1));
        }
    }

    private void Finish()
    {
        var threads = new List<TracedThread>();
        foreach (TraceRing ring in _recorder.Rings)
        {
            DroppedByRings += ring.Dropped - _droppedBefore.GetValueOrDefault(ring.Index);
            threads.Add(new TracedThread(ring.Index, ring.ThreadId, ring.ThreadName));
        }
        Threads = threads;
        Names = _recorder.Names.Snapshot();
        if (_withStacks) Stacks = new CallStacks(_recorder.Rings, _recorder.Hidden, Names);
        Graphs = _recorder.Graphs.Snapshot();
    }
}

public delegate void RecordVisitor(int ring, ref readonly TraceRecord record);

internal delegate void ActivityVisitor(ref readonly SglActivity activity);
