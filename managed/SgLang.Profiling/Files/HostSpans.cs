namespace SgLang.Profiling;

/// <summary>
/// The spans of threads that call the device, for finding out which of them a call was made in. Calls and spans are stamped by one clock, so
/// the innermost span around a call's start is its operator; nothing has to be told to CUPTI while recording.
/// </summary>
internal sealed class HostSpans
{
    /// <summary>More are not indexed: their calls have no `External id`, and the file says so.</summary>
    public const int MaxSpans = 8_000_000;

    private readonly Dictionary<int, List<HostSpan>> _threads = [];
    private int _count;

    public bool IsFull => _count >= MaxSpans;

    public void Add(int thread, in HostSpan span)
    {
        if (IsFull) return;
        _count++;
        if (!_threads.TryGetValue(thread, out List<HostSpan>? spans)) _threads.Add(thread, spans = []);
        spans.Add(span);
    }

    /// <summary>Sorts spans and finds each one's parent; to be called once, before the first question.</summary>
    public void Seal()
    {
        Stack<int> open = new();
        foreach (List<HostSpan> spans in _threads.Values)
        {
            // An outer span is recorded after its inner ones, so of two equal ones the later is the outer.
            spans.Sort(static (a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.End != b.End ? b.End.CompareTo(a.End) : b.Id.CompareTo(a.Id));
            open.Clear();
            for (int i = 0; i < spans.Count; i++)
            {
                HostSpan span = spans[i];
                while (open.Count > 0 && spans[open.Peek()].End < span.End) open.Pop();
                spans[i] = span with { Parent = open.Count > 0 ? open.Peek() : -1 };
                open.Push(i);
            }
        }
    }

    /// <summary>The innermost span of a thread that is open at a moment, then those around it.</summary>
    public Chain At(int thread, long ticks)
    {
        if (!_threads.TryGetValue(thread, out List<HostSpan>? spans)) return default;
        int low = 0, high = spans.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (spans[middle].Start <= ticks) low = middle + 1;
            else high = middle;
        }
        int index = low - 1;
        while (index >= 0 && spans[index].End < ticks) index = spans[index].Parent;
        return new Chain(spans, index);
    }

    /// <summary>A place in a thread's nest of spans.</summary>
    public readonly record struct Chain(List<HostSpan>? Spans, int Index)
    {
        public bool IsNone => Spans is null || Index < 0;
        public HostSpan Span => Spans![Index];
        public Chain Outer => this with { Index = Span.Parent };

        /// <summary>The innermost span from here outwards that has a kind.</summary>
        public Chain Find(TraceKind kind)
        {
            Chain chain = this;
            while (!chain.IsNone && chain.Span.Kind != kind) chain = chain.Outer;
            return chain;
        }
    }
}

/// <summary>A span as <see cref="HostSpans"/> keeps it. Id is the one written as `External id`; Name and A to C are the record's.</summary>
internal readonly record struct HostSpan(long Start, long End, long Id, int Name, TraceKind Kind, long A, long B, long C, int Parent = -1);
