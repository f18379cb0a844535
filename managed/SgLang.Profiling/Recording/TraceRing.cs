using System.Runtime.CompilerServices;

namespace SgLang.Profiling;

/// <summary>
/// Records of one thread on their way to the spool: the thread writes, the collector reads, and neither waits. A full ring drops the newest
/// record and counts it.
/// </summary>
internal sealed class TraceRing
{
    private readonly TraceRecord[] _records;
    private readonly Thread _thread;
    private long _written;
    private long _readSeen;
    private long _dropped;
    private long _read;

    /// <param name="capacity">A power of two.</param>
    public TraceRing(TraceRecorder owner, Thread thread, int index, int capacity)
    {
        Owner = owner;
        _thread = thread;
        Index = index;
        ThreadName = thread.Name ?? (thread.IsThreadPoolThread ? "pool worker" : "thread");
        ThreadId = OsThread.CurrentId();
        _records = new TraceRecord[capacity];
    }

    public TraceRecorder Owner { get; }
    public int Index { get; }

    /// <summary>As the operating system numbers threads.</summary>
    public int ThreadId { get; }
    public string ThreadName { get; }

    /// <summary>Where this thread's spans come from.</summary>
    public CallSites Sites { get; } = new();
    public bool IsThreadAlive => _thread.IsAlive;
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Room for the thread's next record, which <see cref="Publish"/> makes visible; a null reference when the ring is full.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref TraceRecord Next()
    {
        if (_written - _readSeen >= _records.Length)
        {
            _readSeen = Volatile.Read(ref _read);
            if (_written - _readSeen >= _records.Length)
            {
                Volatile.Write(ref _dropped, _dropped + 1);
                return ref Unsafe.NullRef<TraceRecord>();
            }
        }
        return ref _records[_written & (_records.Length - 1)];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Publish() => Volatile.Write(ref _written, _written + 1);

    /// <summary>Copies the oldest records, as many as fit and are there. Collector only.</summary>
    public int Take(Span<TraceRecord> target)
    {
        int count = (int)Math.Min(Volatile.Read(ref _written) - _read, target.Length);
        int first = (int)(_read & (_records.Length - 1));
        int head = Math.Min(count, _records.Length - first);
        _records.AsSpan(first, head).CopyTo(target);
        _records.AsSpan(0, count - head).CopyTo(target[head..]);
        Volatile.Write(ref _read, _read + count);
        return count;
    }

    /// <summary>Forgets what is left of an earlier window. Collector only.</summary>
    public void Discard() => Volatile.Write(ref _read, Volatile.Read(ref _written));
}
