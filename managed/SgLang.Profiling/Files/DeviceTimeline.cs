using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>
/// What has to be known of a capture's device activity before its events can be written: which calls belong to the file, the operator and the
/// graph node that each piece of work comes from, the lane it is drawn on, and what does not match.
/// </summary>
internal sealed class DeviceTimeline
{
    /// <summary>Calls that say nothing about the device (spec/profiling.md 10.6).</summary>
    private static readonly HashSet<string> s_noise =
        ["cudaGetDevice", "cudaSetDevice", "cudaGetLastError", "cudaPeekAtLastError", "cudaEventCreate", "cudaEventCreateWithFlags", "cudaEventDestroy"];

    /// <summary>Beginnings of driver calls that libraries make by the hundred to ask for a number.</summary>
    private static readonly string[] s_questions = ["cuKernelGet", "cuFuncGet", "cuCtxGet", "cuDeviceGet", "cuLibraryGet", "cuModuleGet", "cuGetProcAddress", "cuOccupancy"];

    /// <summary>Calls that must have work.</summary>
    private static readonly HashSet<string> s_launches =
        ["cudaLaunchKernel", "cudaLaunchKernelExC", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync", "cuLaunchKernel", "cuLaunchKernelEx", "cuGraphLaunch"];

    private readonly TraceCapture _capture;
    private readonly bool _needsStep;
    private readonly Dictionary<int, (bool IsNoise, bool IsLaunch)> _callKinds = [];
    private readonly Func<int, bool> _ownsThread;
    private readonly Func<uint, bool>? _ownsDevice;
    private readonly Dictionary<uint, Launch> _launches = [];

    // Correlations of calls that are in another rank's file, with what they launched.
    private readonly HashSet<uint> _others = [];
    private readonly Dictionary<uint, uint> _deviceOfContext = [];
    private readonly List<Work> _work = [];

    /// <param name="spans">Sealed; only those of the file's stage.</param>
    /// <param name="needsStep">Only calls within one of the spans' steps belong to the file.</param>
    /// <param name="ownsThread">Whether a thread's calls belong to the file.</param>
    /// <param name="ownsDevice">Whether work of a device without a known call does; null for all.</param>
    public DeviceTimeline(TraceCapture capture, HostSpans spans, bool needsStep, Func<int, bool> ownsThread, Func<uint, bool>? ownsDevice)
    {
        _capture = capture;
        _needsStep = needsStep;
        _ownsThread = ownsThread;
        _ownsDevice = ownsDevice;
        capture.ForEachActivity((ref readonly SglActivity a) => AddCall(in a, spans));
        capture.ForEachActivity(AddWork);
        foreach (Launch launch in _launches.Values)
            if (launch.MustHaveWork && launch.NumWorks == 0) LaunchesWithoutWork++;
        AttributeGraphs();
        AssignLanes();
        Annotate();
    }

    public long LaunchesWithoutWork { get; private set; }
    public long WorkWithoutLaunch { get; private set; }

    /// <summary>Work of graphs whose nodes are not known, or whose replay did not have as many as were recorded.</summary>
    public long WorkOfUnknownNodes { get; private set; }
    public IReadOnlyCollection<uint> Devices { get; private set; } = [];

    /// <summary>Streams with work, with the number of lanes each needs.</summary>
    public Dictionary<(uint Device, int Stream), int> Lanes { get; } = [];
    public List<Annotation> Annotations { get; } = [];

    /// <summary>The call of a correlation that belongs to the file.</summary>
    public bool TryGetLaunch(uint correlation, out Launch launch) => _launches.TryGetValue(correlation, out launch!);

    /// <summary>What was found out of the n-th piece of work that <see cref="Belongs"/> accepted, in the order of the spool.</summary>
    public Work this[int index] => _work[index];

    public uint DeviceOf(uint context) => _deviceOfContext.GetValueOrDefault(context);

    public bool IsNoise(in SglActivity call) => KindOf(call.Name).IsNoise;

    /// <summary>Whether a kernel, copy, set or synchronisation is in the file.</summary>
    public bool Belongs(in SglActivity work) => _launches.ContainsKey(work.Correlation)
        || (!_needsStep && IsInWindow(work.StartNs) && !_others.Contains(work.Correlation) && _ownsDevice?.Invoke(work.Device) != false);

    public static bool IsWork(SglActivityKind kind) => kind is SglActivityKind.Kernel or SglActivityKind.Copy or SglActivityKind.Set;

    private bool IsInWindow(long time) => time >= _capture.StartTicks && time <= _capture.DeviceEndTicks;

    private (bool IsNoise, bool IsLaunch) KindOf(int name)
    {
        if (_callKinds.TryGetValue(name, out (bool, bool) known)) return known;
        string text = _capture.Device!.NameOf(name);
        return _callKinds[name] = (
            s_noise.Contains(text) || s_questions.Any(question => text.StartsWith(question, StringComparison.Ordinal)), s_launches.Contains(text));
    }

    private void AddCall(ref readonly SglActivity call, HostSpans spans)
    {
        if (call.Kind is not (SglActivityKind.Runtime or SglActivityKind.Driver) || KindOf(call.Name).IsNoise) return;
        if (!_ownsThread((int)call.Thread))
        {
            _others.Add(call.Correlation);
            return;
        }
        HostSpans.Chain within = spans.At((int)call.Thread, call.StartNs);
        if (_needsStep ? within.Find(TraceKind.Step).IsNone : !IsInWindow(call.StartNs)) return;
        HostSpans.Chain graph = within.Find(TraceKind.GraphLaunch);
        _launches[call.Correlation] = new Launch { Within = within, GraphLaunch = graph, MustHaveWork = KindOf(call.Name).IsLaunch };
    }

    private void AddWork(ref readonly SglActivity a)
    {
        if (a.Kind == SglActivityKind.Sync)
        {
            if (_launches.TryGetValue(a.Correlation, out Launch? waiting)) waiting.NumWorks++;
            return;
        }
        if (!IsWork(a.Kind)) return;
        _deviceOfContext[a.Context] = a.Device;
        if (!Belongs(in a)) return;
        if (_launches.TryGetValue(a.Correlation, out Launch? launch)) launch.NumWorks++;
        else WorkWithoutLaunch++;
        _work.Add(new Work { Start = a.StartNs, End = a.EndNs, Device = a.Device, Stream = a.Stream, GraphNode = a.GraphNode, Launch = launch });
    }

    /// <summary>The k-th work of a replay, by CUPTI's rising numbers of its nodes, is the k-th that was recorded.</summary>
    private void AttributeGraphs()
    {
        foreach (IGrouping<Launch?, Work> replay in _work.Where(w => w.GraphNode != 0).GroupBy(w => w.Launch))
        {
            Work[] works = [.. replay.OrderBy(w => w.GraphNode)];
            works.MinBy(w => w.Start)!.IsFirstOfLaunch = true;
            HostSpans.Chain launched = replay.Key?.GraphLaunch ?? default;
            GraphMap? map = !launched.IsNone && launched.Span.A < _capture.Graphs.Length ? _capture.Graphs[(int)launched.Span.A] : null;
            if (map is null || map.OperatorOfActivity.Length != works.Length)
            {
                WorkOfUnknownNodes += works.Length;
                continue;
            }
            int previous = -1;
            for (int i = 0; i < works.Length; i++)
            {
                int op = map.OperatorOfActivity[i];
                if (op < 0) continue;
                works[i].Operator = map.Operators[op];
                works[i].IsFirstOfOperator = op != previous;
                works[i].Pairs = launched.Span.B;
                works[i].Keys = launched.Span.C;
                previous = op;
            }
        }
    }

    /// <summary>Complete events of one track must nest or be apart, and kernels may overlap on a stream: the later goes to the next free lane.</summary>
    private void AssignLanes()
    {
        foreach (IGrouping<(uint Device, int Stream), Work> stream in _work.GroupBy(w => (w.Device, w.Stream)))
        {
            List<long> ends = [];
            foreach (Work work in stream.OrderBy(w => w.Start).ThenBy(w => w.End))
            {
                int lane = ends.FindIndex(end => end <= work.Start);
                if (lane < 0)
                {
                    lane = ends.Count;
                    ends.Add(0);
                }
                ends[lane] = work.End;
                work.Lane = lane;
            }
            Lanes[stream.Key] = ends.Count;
        }
        Devices = [.. _work.Select(w => w.Device).Distinct().Order()];
    }

    /// <summary>One for each span and stream, around the work that was launched inside the span (spec/profiling.md 10.6).</summary>
    private void Annotate()
    {
        Dictionary<(long Id, uint Device, int Stream), Annotation> found = [];
        foreach (Work work in _work)
        {
            if (work.Launch is null) continue;
            for (HostSpans.Chain chain = work.Launch.Within; !chain.IsNone; chain = chain.Outer)
            {
                HostSpan span = chain.Span;
                if (span.Kind is not (TraceKind.Span or TraceKind.Step)) continue;
                if (!found.TryGetValue((span.Id, work.Device, work.Stream), out Annotation? annotation))
                    found.Add((span.Id, work.Device, work.Stream), annotation = new Annotation { Span = span, Device = work.Device, Stream = work.Stream });
                annotation.Start = Math.Min(annotation.Start, work.Start - 1);
                annotation.End = Math.Max(annotation.End, work.End + 1);
            }
        }
        ILookup<(uint, int), Work> drawn = _work.Where(work => work.Lane == 0).ToLookup(work => (work.Device, work.Stream));
        foreach (IGrouping<(uint, int), Annotation> stream in found.Values.GroupBy(a => (a.Device, a.Stream)))
        {
            KeepOffNeighbours(stream, [.. drawn[stream.Key].OrderBy(work => work.Start)]);
            Stack<Annotation> open = new();
            foreach (Annotation next in stream.OrderBy(a => a.Start).ThenByDescending(a => a.End))
            {
                while (open.Count > 0 && open.Peek().End <= next.Start) open.Pop();
                // Steps that follow each other without a gap may overlap by the nanosecond that encloses their kernels.
                while (open.Count > 0 && open.Peek().End < next.End) open.Pop().End = next.Start;
                open.Push(next);
                Annotations.Add(next);
            }
        }
    }

    /// <summary>The nanosecond on either side is left away where work outside the span touches it.</summary>
    /// <param name="works">Of the stream's own track, by their starts; none overlaps another.</param>
    private static void KeepOffNeighbours(IEnumerable<Annotation> annotations, Work[] works)
    {
        long[] starts = [.. works.Select(work => work.Start)], ends = [.. works.Select(work => work.End)];
        foreach (Annotation annotation in annotations)
        {
            // The last that begins before the annotation, and the last that begins within it.
            int before = Index(starts, annotation.Start) - 1, last = Index(starts, annotation.End) - 1;
            if (before >= 0 && ends[before] > annotation.Start) annotation.Start = Math.Min(ends[before], annotation.Start + 1);
            if (last >= 0 && ends[last] > annotation.End) annotation.End--;
        }

        // How many values are below.
        static int Index(long[] values, long limit)
        {
            int found = Array.BinarySearch(values, limit);
            if (found < 0) return ~found;
            while (found > 0 && values[found - 1] == limit) found--;
            return found;
        }
    }

    /// <summary>A call that may have work.</summary>
    public sealed class Launch
    {
        public HostSpans.Chain Within { get; init; }
        public HostSpans.Chain GraphLaunch { get; init; }
        public bool MustHaveWork { get; init; }
        public int NumWorks { get; set; }
        public long ExternalId => Within.IsNone ? 0 : Within.Span.Id;
    }

    /// <summary>A kernel, copy or set.</summary>
    public sealed class Work
    {
        public required long Start { get; init; }
        public required long End { get; init; }
        public required uint Device { get; init; }
        public required int Stream { get; init; }
        public required ulong GraphNode { get; init; }
        public required Launch? Launch { get; init; }
        public int Lane { get; set; }

        /// <summary>Of a graph's node.</summary>
        public GraphOperator? Operator { get; set; }

        /// <summary>The operator's cost is told at its first kernel, so that sums are right.</summary>
        public bool IsFirstOfOperator { get; set; }

        /// <summary>Of all work of a graph's launch, the one that begins first.</summary>
        public bool IsFirstOfLaunch { get; set; }
        public long Pairs { get; set; }
        public long Keys { get; set; }
    }

    /// <summary>A span's twin on a stream.</summary>
    public sealed class Annotation
    {
        public required HostSpan Span { get; init; }
        public required uint Device { get; init; }
        public required int Stream { get; init; }
        public long Start { get; set; } = long.MaxValue;
        public long End { get; set; } = long.MinValue;
    }
}
