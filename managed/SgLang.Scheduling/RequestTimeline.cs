using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// What happened to one request, and why it waited. The scheduler's thread appends, any thread reads; it outlives its request and holds
/// nothing of it but numbers and the rid.
/// </summary>
public sealed class RequestTimeline(string rid, int promptTokens)
{
    /// <summary>Later events are counted, not kept, but for the end.</summary>
    private const int MaxEntries = 96;

    private TimelineEntry[] _entries = new TimelineEntry[12];
    private int _count, _omitted, _outputTokens, _cachedTokens;
    private WaitCounts _waited, _atQueueing;
    private bool _isWaiting;
    private FinishReason? _finish;

    public string Rid => rid;
    public int PromptTokens => promptTokens;

    /// <summary>Tokens committed so far.</summary>
    public int OutputTokens => Volatile.Read(ref _outputTokens);

    /// <summary>Prompt tokens taken from the prefix cache at first admission.</summary>
    public int CachedTokens => Volatile.Read(ref _cachedTokens);

    /// <summary>Events that there was no room for.</summary>
    public int OmittedEntries => Volatile.Read(ref _omitted);

    /// <summary>Why it ended; null while it has not.</summary>
    public FinishReason? Finish => Entries is [.., { Event: RequestEvent.Finished }] ? _finish : null;

    /// <summary>In order of time; a copy's worth of entries that do not change any more.</summary>
    public ReadOnlySpan<TimelineEntry> Entries
    {
        get
        {
            // The count first: it only grows, and every array since then has at least as many entries.
            int count = Volatile.Read(ref _count);
            return Volatile.Read(ref _entries).AsSpan(0, count);
        }
    }

    /// <summary>Planning decisions that passed it over, over all of its waits.</summary>
    public WaitCounts Waited(PlanLog log) => Volatile.Read(ref _isWaiting) ? _waited + (log.Counts - _atQueueing) : _waited;

    internal void Queued(long time, int numWaiting, PlanLog log)
    {
        _atQueueing = log.Counts;
        Volatile.Write(ref _isWaiting, true);
        Add(new TimelineEntry(RequestEvent.Queued, time, 0, numWaiting, 0));
    }

    internal void Admitted(long time, long step, int cachedTokens, bool isFirst, PlanLog log)
    {
        LeaveQueue(log);
        if (isFirst) Volatile.Write(ref _cachedTokens, cachedTokens);
        Add(new TimelineEntry(RequestEvent.Admitted, time, step, cachedTokens, 0));
    }

    internal void Committed(int outputTokens) => Volatile.Write(ref _outputTokens, outputTokens);

    internal void Finished(long time, int outputTokens, FinishReason reason, PlanLog log)
    {
        LeaveQueue(log);
        _finish = reason;
        Volatile.Write(ref _outputTokens, outputTokens);
        Add(new TimelineEntry(RequestEvent.Finished, time, 0, outputTokens, 0));
    }

    internal void Add(in TimelineEntry entry)
    {
        if (_count >= MaxEntries && entry.Event != RequestEvent.Finished)
        {
            Volatile.Write(ref _omitted, _omitted + 1);
            return;
        }
        if (_count == _entries.Length)
        {
            var larger = new TimelineEntry[Math.Min(2 * _count, MaxEntries + 1)];
            _entries.CopyTo(larger, 0);
            Volatile.Write(ref _entries, larger);
        }
        _entries[_count] = entry;
        Volatile.Write(ref _count, _count + 1);
    }

    private void LeaveQueue(PlanLog log)
    {
        if (!_isWaiting) return;
        _waited += log.Counts - _atQueueing;
        Volatile.Write(ref _isWaiting, false);
    }
}
