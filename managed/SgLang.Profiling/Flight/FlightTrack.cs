using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SgLang.Profiling;

/// <summary>
/// The latest spans of one thread, the oldest overwritten: what <see cref="FlightRecorder"/> keeps whether or not a window is open. Written by one
/// thread, which never waits and allocates nothing; anybody may take a copy meanwhile.
/// </summary>
public sealed class FlightTrack
{
    private readonly TraceRecorder _recorder;
    private readonly TraceRecord[] _records;
    private long _written;

    /// <param name="capacity">A power of two; 0 keeps nothing.</param>
    internal FlightTrack(TraceRecorder recorder, TracedThread thread, int capacity)
    {
        _recorder = recorder;
        Thread = thread;
        _records = new TraceRecord[capacity];
        // The system gives memory at its first touch, which would take several microseconds of every step that comes to a new page.
        _records.AsSpan().Clear();
    }

    internal TracedThread Thread { get; }

    /// <summary>Whether spans are kept at all.</summary>
    public bool IsKept => _records.Length > 0;

    /// <summary>The start of a span for <see cref="End"/>; 0 when neither this nor a window takes it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Begin() => _records.Length > 0 ? Stopwatch.GetTimestamp() : _recorder.Begin();

    /// <summary>Ends a span of this thread: kept here, and recorded where a window is open. A start of 0 does nothing.</summary>
    /// <param name="a">Value of the name's first argument, and so on.</param>
    public void End(long start, int name, long a = 0, long b = 0, long c = 0, TraceStage stage = TraceStage.Any)
    {
        if (start == 0) return;
        long end = Stopwatch.GetTimestamp();
        Keep(start, end, name, TraceKind.Span, stage, a, b, c, 0);
        if (_recorder.IsOn) _recorder.Write(start, end, name, TraceKind.Span, stage, 0, 0, a, b, c, 0);
    }

    /// <summary>Keeps a span here alone.</summary>
    public void Keep(long start, long end, int name, TraceKind kind, TraceStage stage, long a, long b, long c, long d)
    {
        if (_records.Length == 0) return;
        ref TraceRecord record = ref _records[_written & (_records.Length - 1)];
        record.Fill(start, end, name, kind, stage, 0, 0, a, b, c, d);
        Volatile.Write(ref _written, _written + 1);
    }

    /// <summary>Copies what ended at <paramref name="since"/> or later, the oldest first. Whatever the thread overwrites meanwhile is left out.</summary>
    /// <param name="isCut">Older spans that belong to it are gone.</param>
    internal TraceRecord[] Copy(long since, out bool isCut)
    {
        isCut = false;
        long end = Volatile.Read(ref _written), first = Math.Max(0, end - _records.Length);
        if (end == first) return [];
        TraceRecord[] copy = new TraceRecord[end - first];
        for (int i = 0; i < copy.Length; i++) copy[i] = _records[(first + i) & (_records.Length - 1)];
        // The copy is read before the count that tells what of it can be trusted.
        Interlocked.MemoryBarrier();
        // The slot of the record being written now is lost as well.
        long trusted = Math.Max(first, Volatile.Read(ref _written) + 1 - _records.Length);
        int from = (int)Math.Min(trusted - first, copy.Length);
        isCut = first + from > 0 && from < copy.Length && copy[from].End >= since;
        while (from < copy.Length && copy[from].End < since) from++;
        return copy[from..];
    }
}
