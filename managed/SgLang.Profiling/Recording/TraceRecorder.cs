using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SgLang.Profiling;

/// <summary>
/// Where every thread of the process leaves its spans. Off, a span is one test; on, two readings of the clock and one cache line in the
/// thread's own ring. Nothing is allocated but a ring at a thread's first span.
/// </summary>
public sealed class TraceRecorder
{
    public const int DefaultRingCapacity = 1 << 14;

    [ThreadStatic]
    private static TraceRing? t_ring;

    private readonly int _ringCapacity;
    private readonly Lock _gate = new();
    private TraceRing[] _rings = [];
    private int _numRings;
    private int _nextIndex;
    private bool _isOn;
    private bool _recordsStacks;

    /// <param name="ringCapacity">Records that a thread may be ahead of the collector; a power of two.</param>
    public TraceRecorder(int ringCapacity = DefaultRingCapacity)
    {
        if (ringCapacity < 2 || (ringCapacity & (ringCapacity - 1)) != 0)
            throw new ArgumentOutOfRangeException(nameof(ringCapacity), ringCapacity, "must be a power of two, at least 2");
        _ringCapacity = ringCapacity;
    }

    internal int RingCapacity => _ringCapacity;

    public TraceNames Names { get; } = new();
    public GraphMaps Graphs { get; } = new();
    public RequestLanes Lanes { get; } = new();

    /// <summary>Full names of types that only pass spans on; they are left out at the inner end of call stacks.</summary>
    internal HiddenFrames Hidden { get; } = new();

    /// <summary>Spans tell where they come from. Set before <see cref="IsOn"/>.</summary>
    internal bool RecordsStacks
    {
        get => Volatile.Read(ref _recordsStacks);
        set => Volatile.Write(ref _recordsStacks, value);
    }

    /// <summary>To be told by types that record spans on behalf of their callers.</summary>
    public void HideFromStacks(Type type) => Hidden.Add(type.FullName!);

    public bool IsOn
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Volatile.Read(ref _isOn);
        internal set => Volatile.Write(ref _isOn, value);
    }

    /// <summary>The start of a span for <see cref="End"/>; 0 while nothing is recorded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Begin() => IsOn ? Stopwatch.GetTimestamp() : 0;

    /// <summary>Ends a span; a start of 0 records nothing.</summary>
    /// <param name="a">Value of the name's first argument, and so on.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void End(long start, int name, long a = 0, long b = 0, TraceStage stage = TraceStage.Any)
    {
        if (start != 0) Write(start, name, TraceKind.Span, stage, 0, 0, a, b, 0, 0);
    }

    /// <summary>Records a span that ends now.</summary>
    /// <param name="context">What else than the name tells where the span comes from, such as the module of an operator.</param>
    public void Write(long start, int name, TraceKind kind, TraceStage stage, byte count, byte type, long a, long b, long c, long d, int context = 0) =>
        Write(start, Stopwatch.GetTimestamp(), name, kind, stage, count, type, a, b, c, d, context);

    /// <summary>As above, for who has read the clock already: that is most of a record's cost.</summary>
    public void Write(long start, long end, int name, TraceKind kind, TraceStage stage, byte count, byte type, long a, long b, long c, long d, int context = 0)
    {
        TraceRing ring = t_ring is { } mine && mine.Owner == this ? mine : Attach();
        ref TraceRecord record = ref ring.Next();
        if (Unsafe.IsNullRef(ref record)) return;
        record.Fill(start, end, name, kind, stage, count, type, a, b, c, d);
        if (_recordsStacks && kind is not (TraceKind.StepGroup or TraceKind.OperatorCost)) record.Site = ring.Sites.Of(name, kind == TraceKind.Step ? -1 : context, end);
        ring.Publish();
    }

    /// <summary>Ends a request's span on its lane, whichever thread ends it. One that began before the window begins with it.</summary>
    /// <param name="value">Of the name's first argument.</param>
    public void EndRequest(int lane, long value)
    {
        (long start, int name, bool isRecorded) = Lanes.Close(lane, this);
        if (!isRecorded) return;
        TraceRing ring = t_ring is { } mine && mine.Owner == this ? mine : Attach();
        ref TraceRecord record = ref ring.Next();
        if (Unsafe.IsNullRef(ref record)) return;
        record = new TraceRecord { Start = start, End = Stopwatch.GetTimestamp(), Name = name, Lane = lane + 1, Kind = TraceKind.Span, A = value };
        ring.Publish();
    }

    internal ReadOnlySpan<TraceRing> Rings
    {
        get
        {
            lock (_gate) return _rings.AsSpan(0, _numRings);
        }
    }

    /// <summary>Drops the rings of threads that have ended. Only between windows: rings are named by their index within one.</summary>
    internal void ForgetDeadThreads()
    {
        lock (_gate)
        {
            TraceRing[] alive = [.. _rings.AsSpan(0, _numRings).ToArray().Where(ring => ring.IsThreadAlive)];
            // Indices of the living stay: a thread keeps its ring.
            _rings = alive;
            _numRings = alive.Length;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TraceRing Attach()
    {
        lock (_gate)
        {
            int index = _nextIndex++;
            var ring = new TraceRing(this, Thread.CurrentThread, index, _ringCapacity);
            if (_numRings == _rings.Length)
            {
                // A new array, so that a span handed out earlier stays as it was.
                TraceRing[] larger = new TraceRing[Math.Max(16, 2 * _numRings)];
                _rings.AsSpan(0, _numRings).CopyTo(larger);
                _rings = larger;
            }
            _rings[_numRings++] = ring;
            return t_ring = ring;
        }
    }
}
