namespace SgLang.Profiling;

/// <summary>
/// Functions as events of Kineto's category `python_function`, found out of the call stacks of spans: a function lasts from the first to the last of the
/// spans recorded in it. Spans next to each other that came through the same functions share them; where the function that records a span records one
/// of that kind again, it has been called again.
/// </summary>
internal sealed class FunctionEvents(CallStacks stacks, IReadOnlyList<TraceName> names)
{
    /// <summary>More have no functions, and the file says so.</summary>
    public const int MaxSpans = 4_000_000;

    private readonly Dictionary<int, List<Span>> _threads = [];
    private readonly NameKinds _kinds = new(names);
    private readonly Dictionary<int, byte[]> _quoted = [];
    private int _count;
    private long _nextId = 1;

    public void Add(int ring, int thread, in TraceRecord record)
    {
        if (_count == MaxSpans) return;
        _count++;
        if (!_threads.TryGetValue(thread, out List<Span>? spans)) _threads.Add(thread, spans = []);
        spans.Add(new Span(record.Start, record.End, ring, record.Site, record.Kind == TraceKind.Step ? -1 : _kinds.Of(record.Name), spans.Count));
    }

    public void Write(EventText events, TraceClock clock)
    {
        foreach ((int thread, List<Span> spans) in _threads)
        {
            // An outer span is recorded after its inner ones, so of two equal ones the later is the outer.
            spans.Sort(static (a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.End != b.End ? b.End.CompareTo(a.End) : b.Order.CompareTo(a.Order));
            Stack<Scope> open = new();
            open.Push(new Scope(long.MaxValue, [], 0, isKnown: true));
            foreach (Span span in spans)
            {
                while (open.Peek().End < span.End) Close(open.Pop(), 0, thread, events, clock);
                Scope outer = open.Peek();
                int[] stack = stacks.Functions(span.Ring, span.Site);
                bool isKnown = stack.Length > 0;
                // Of the functions within a span of unknown origin, some may be around it.
                long innermost = isKnown && outer.IsKnown ? Enter(outer, stack, span, thread, events, clock) : outer.Function;
                open.Push(new Scope(span.End, isKnown ? stack : outer.Stack, innermost, isKnown));
            }
            while (open.Count > 0) Close(open.Pop(), 0, thread, events, clock);
        }
    }

    /// <summary>Opens the functions between a span and the one around it, or goes on with those that are open. Gives the innermost one's number.</summary>
    private long Enter(Scope outer, int[] stack, in Span span, int thread, EventText events, TraceClock clock)
    {
        int shared = stack.AsSpan().CommonPrefixLength(outer.Stack);
        int depth = 0;
        for (; shared + depth < stack.Length && depth < outer.Open.Count; depth++)
        {
            Function function = outer.Open[depth];
            if (function.Name != stack[shared + depth]) break;
            if (shared + depth == stack.Length - 1 && !function.Kinds.Add(span.Kind)) break;
        }
        Close(outer, depth, thread, events, clock);
        for (; shared + depth < stack.Length; depth++)
        {
            long parent = depth == 0 ? outer.Function : outer.Open[depth - 1].Id;
            Function function = new(stack[shared + depth], _nextId++, parent, span.Start);
            if (shared + depth == stack.Length - 1) function.Kinds.Add(span.Kind);
            outer.Open.Add(function);
        }
        for (int i = 0; i < stack.Length - shared; i++) outer.Open[i].End = span.End;
        return outer.Open.Count > 0 && stack.Length > shared ? outer.Open[^1].Id : outer.Function;
    }

    private void Close(Scope scope, int depth, int thread, EventText events, TraceClock clock)
    {
        JsonText json = events.Json;
        for (int i = depth; i < scope.Open.Count; i++)
        {
            Function function = scope.Open[i];
            long start = clock.Relative(function.Start);
            events.BeginComplete("python_function"u8, NameOf(function.Name), events.Pid, thread, start, clock.Relative(function.End) - start);
            json.Property(",\"args\":{\"Python id\":"u8, function.Id);
            if (function.Parent == 0) json.Raw(",\"Python parent id\":null"u8);
            else json.Property(",\"Python parent id\":"u8, function.Parent);
            json.Raw("}}"u8);
        }
        scope.Open.RemoveRange(depth, scope.Open.Count - depth);
    }

    private byte[] NameOf(int function)
    {
        if (!_quoted.TryGetValue(function, out byte[]? name)) _quoted.Add(function, name = JsonText.Quote(ChromeTraceWriter.Clean(stacks.NameOf(function))));
        return name;
    }

    private readonly record struct Span(long Start, long End, int Ring, int Site, int Kind, int Order);

    /// <summary>A span that is open, with the functions that were called within it and may still be.</summary>
    private sealed class Scope(long end, int[] stack, long function, bool isKnown)
    {
        public bool IsKnown { get; } = isKnown;
        public long End { get; } = end;
        public int[] Stack { get; } = stack;

        /// <summary>The innermost one around the span; 0 for none.</summary>
        public long Function { get; } = function;
        public List<Function> Open { get; } = [];
    }

    private sealed class Function(int name, long id, long parent, long start)
    {
        public int Name { get; } = name;
        public long Id { get; } = id;
        public long Parent { get; } = parent;
        public long Start { get; } = start;
        public long End { get; set; }

        /// <summary>Of the spans that the function itself has recorded.</summary>
        public HashSet<int> Kinds { get; } = [];
    }
}
