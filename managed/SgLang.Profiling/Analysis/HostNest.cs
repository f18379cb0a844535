namespace SgLang.Profiling;

/// <summary>The nesting of host spans: each one's parent, and the innermost one at a moment of a thread.</summary>
internal sealed class HostNest
{
    private readonly HostSpanOf[] _spans;
    private readonly int[] _parents;
    private readonly Dictionary<int, (int First, int End)> _threads = [];

    public HostNest(List<HostSpanOf> spans)
    {
        _spans = [.. spans];
        // By thread, start, and the outer before the inner; of two equal ones a step holds a range, a range an operator, an operator a call.
        Array.Sort(_spans, static (a, b) =>
            a.Thread != b.Thread ? a.Thread.CompareTo(b.Thread)
            : a.Start != b.Start ? a.Start.CompareTo(b.Start)
            : a.End != b.End ? b.End.CompareTo(a.End)
            : Order(a.Kind) != Order(b.Kind) ? Order(a.Kind).CompareTo(Order(b.Kind)) : a.Link.CompareTo(b.Link));
        _parents = new int[_spans.Length];
        var open = new Stack<int>();
        int first = 0;
        for (int i = 0; i < _spans.Length; i++)
        {
            if (i > 0 && _spans[i].Thread != _spans[i - 1].Thread)
            {
                _threads[_spans[first].Thread] = (first, i);
                first = i;
                open.Clear();
            }
            while (open.Count > 0 && _spans[open.Peek()].End < _spans[i].End) open.Pop();
            _parents[i] = open.Count > 0 ? open.Peek() : -1;
            open.Push(i);
        }
        if (_spans.Length > 0) _threads[_spans[first].Thread] = (first, _spans.Length);
    }

    public int Count => _spans.Length;

    public ref readonly HostSpanOf this[int index] => ref _spans[index];

    public int ParentOf(int index) => _parents[index];

    /// <summary>Indices of a thread's spans, in the order of their starts.</summary>
    public (int First, int End) Thread(int thread) => _threads.GetValueOrDefault(thread);

    /// <summary>The nearest span of a kind from <paramref name="index"/> outwards, itself included; -1 where there is none.</summary>
    public int Enclosing(int index, HostKind kind)
    {
        while (index >= 0 && _spans[index].Kind != kind) index = _parents[index];
        return index;
    }

    /// <summary>The index of the first span of a thread that starts at or after a moment.</summary>
    public int FirstFrom(int thread, long time)
    {
        (int low, int high) = Thread(thread);
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_spans[middle].Start < time) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private static int Order(HostKind kind) => kind switch { HostKind.Step => 0, HostKind.Range => 1, HostKind.Operator => 2, _ => 3 };
}
