using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// The requests that wait, in order of arrival, and by preference where the policy has an order that does not change while they wait
/// (priority, longest output). Joining and leaving cost O(log waiting), asking for the next O(1): a step never walks the whole queue.
/// </summary>
internal sealed class WaitingQueue
{
    /// <summary>Beyond every priority, yet small enough to take differences of.</summary>
    private const long NoPriority = 1L << 40;

    private readonly SchedulerOptions _options;
    private readonly RequestList _arrivals = new();
    private readonly bool _isIndexed;
    private Entry[] _heap = [];
    private int _heapCount;
    private long _sequence;

    public WaitingQueue(SchedulerOptions options)
    {
        _options = options;
        IsRanked = options.EnablePriorityScheduling || options.Policy == SchedulePolicy.Lof;
        _isIndexed = IsRanked || options.Policy == SchedulePolicy.Random;
    }

    public int Count => _arrivals.Count;

    /// <summary>Prompt and output tokens of all of them, as of when each joined.</summary>
    public long TokenCount => _arrivals.TokenCount;

    /// <summary>The one that joined first; follow <see cref="Request.Next"/> for the others.</summary>
    public Request? First => _arrivals.First;

    /// <summary>Whether <see cref="Preferred"/> is another order than that of arrival.</summary>
    public bool IsRanked { get; }

    /// <summary>The one to admit next where <see cref="IsRanked"/>; null when none waits.</summary>
    public Request? Preferred => _heapCount == 0 ? null : _heap[0].Request;

    public bool Contains(Request request) => request.List == _arrivals;

    /// <summary>With the random policy: any of them, in an order that means nothing.</summary>
    public Request At(int index) => _heap[index].Request;

    public void Append(Request request)
    {
        _arrivals.Append(request);
        if (!_isIndexed) return;
        if (_heapCount == _heap.Length) Array.Resize(ref _heap, Math.Max(64, 2 * _heapCount));
        var entry = new Entry(request, IsRanked ? Urgency(request) : 0, _options.Policy == SchedulePolicy.Lof ? -request.MaxNewTokens : 0, _sequence++);
        _heapCount++;
        SiftUp(_heapCount - 1, entry);
    }

    public void Remove(Request request)
    {
        _arrivals.Remove(request);
        if (!_isIndexed) return;
        int hole = request.WaitingIndex;
        Entry last = _heap[--_heapCount];
        _heap[_heapCount] = default;
        request.WaitingIndex = -1;
        if (last.Request == request) return;
        SiftDown(hole, last);
        SiftUp(last.Request.WaitingIndex, last);
    }

    /// <summary>The least preferred, of equals the newest; null when none waits. Looks at half of the queue: for the moment it overflows.</summary>
    public Request? LeastPreferred()
    {
        if (_heapCount == 0) return null;
        int worst = _heapCount / 2;
        for (int i = worst + 1; i < _heapCount; i++)
            if (_heap[worst].IsBefore(_heap[i])) worst = i;
        return _heap[worst].Request;
    }

    /// <summary>Lower is served first; requests without a priority come after all others.</summary>
    public long Urgency(Request request)
    {
        if (!_options.EnablePriorityScheduling) return 0;
        if ((request.Priority ?? _options.DefaultPriority) is not { } priority) return NoPriority;
        return _options.LowPriorityValuesFirst ? priority : -(long)priority;
    }

    private void SiftUp(int index, in Entry entry)
    {
        while (index > 0 && entry.IsBefore(_heap[(index - 1) / 2]))
        {
            Place(index, _heap[(index - 1) / 2]);
            index = (index - 1) / 2;
        }
        Place(index, entry);
    }

    private void SiftDown(int index, in Entry entry)
    {
        while (true)
        {
            int child = 2 * index + 1;
            if (child >= _heapCount) break;
            if (child + 1 < _heapCount && _heap[child + 1].IsBefore(_heap[child])) child++;
            if (!_heap[child].IsBefore(entry)) break;
            Place(index, _heap[child]);
            index = child;
        }
        Place(index, entry);
    }

    private void Place(int index, in Entry entry)
    {
        _heap[index] = entry;
        entry.Request.WaitingIndex = index;
    }

    /// <summary>Keys lie in the heap itself, so that sifting touches no request.</summary>
    private readonly record struct Entry(Request Request, long Urgency, long Length, long Sequence)
    {
        public bool IsBefore(in Entry other) =>
            Urgency != other.Urgency ? Urgency < other.Urgency : Length != other.Length ? Length < other.Length : Sequence < other.Sequence;
    }
}
