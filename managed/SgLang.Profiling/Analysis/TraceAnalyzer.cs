namespace SgLang.Profiling;

/// <summary>Says where the time of a trace goes.</summary>
public sealed class TraceAnalyzer
{
    private const int ActivitySlices = 600;
    private const int MaxTimelineSpans = 6000;
    private const string Unknown = "(unknown)";

    private readonly TraceData _data;
    private readonly HostNest _host;
    private readonly DeviceCeiling _ceiling;
    private readonly RowTable _layers, _modules, _operators, _operatorShapes, _hostOperatorShapes, _kernels;
    private readonly Dictionary<int, StepSum> _steps = [];
    private double _total, _withModule, _withOperator;
    private bool _hasShapes;

    private TraceAnalyzer(TraceData data, DeviceCeiling? ceiling)
    {
        _data = data;
        DeviceType = data.DeviceTypes.Count > 0 ? data.DeviceTypes[0] : "";
        DeviceCeiling known = DeviceCeiling.Of(DeviceType);
        _ceiling = new DeviceCeiling(
            ceiling is { BytesPerSecond: > 0 } ? ceiling.Value.BytesPerSecond : known.BytesPerSecond,
            ceiling is { FlopsPerSecond: > 0 } ? ceiling.Value.FlopsPerSecond : known.FlopsPerSecond);
        _layers = new RowTable(_ceiling);
        _modules = new RowTable(_ceiling);
        _operators = new RowTable(_ceiling);
        _operatorShapes = new RowTable(_ceiling);
        _hostOperatorShapes = new RowTable(_ceiling);
        _kernels = new RowTable(default);
        _host = new HostNest(data.Host);
    }

    private string DeviceType { get; }

    /// <param name="ceiling">What the device can do; a part of it that is 0 comes from the table of known devices.</param>
    /// <param name="reading">Told of each file before it is read.</param>
    /// <exception cref="System.Text.Json.JsonException">A file is damaged.</exception>
    public static TraceAnalysis Analyze(IReadOnlyList<string> paths, DeviceCeiling? ceiling = null, Action<string>? reading = null) =>
        new TraceAnalyzer(TraceLoader.Load(paths, reading), ceiling).Run(paths);

    private TraceAnalysis Run(IReadOnlyList<string> paths)
    {
        for (int i = 0; i < _host.Count; i++)
            if (_host[i].Kind == HostKind.Step) _steps.Add(i, new StepSum());
        DropOuterSteps();
        var attribution = new Attribution(_data, _host);
        var devices = new List<DeviceSummary>();
        var works = new List<(DeviceWork[] Work, Origin[] Origins)>();
        for (int device = 0; device < _data.Devices.Count; device++)
        {
            DeviceWork[] work = [.. _data.Work.Where(one => one.Device == device)];
            if (work.Length == 0) continue;
            Array.Sort(work, static (a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : b.End.CompareTo(a.End));
            var origins = new Origin[work.Length];
            for (int i = 0; i < work.Length; i++) origins[i] = attribution.Of(in work[i]);
            AddRows(work, origins);
            devices.Add(new DeviceTime(_host, work, origins).Summarize(_data.Devices[device]));
            works.Add((work, origins));
        }
        AddHostRows(areAll: works.Count == 0);
        AddNotes(works.Count > 0);

        (long start, long end) = Window(works);
        StepRow[] steps = Steps(start);
        (string title, List<TimelineSpan> timeline) = Timeline(works, start, end);
        return new TraceAnalysis
        {
            Files = paths,
            NumEvents = _data.NumEvents,
            DeviceType = DeviceType,
            Ceiling = _ceiling,
            HasDeviceWork = works.Count > 0,
            Devices = devices,
            Layers = _layers.ToArray(),
            Modules = _modules.ToArray(),
            Operators = _operators.ToArray(),
            HasShapes = _hasShapes,
            OperatorShapes = _operatorShapes.ToArray(),
            HostOperatorShapes = _hostOperatorShapes.ToArray(),
            Kernels = _kernels.ToArray(),
            Steps = steps,
            ModuleCoverage = _total > 0 ? _withModule / _total : 0,
            OperatorCoverage = _total > 0 ? _withOperator / _total : 0,
            Activity = [.. works.Select(one => Activity(one.Work, start, end))],
            ActivityStart = 0,
            ActivityEnd = end - start,
            Timeline = timeline,
            TimelineTitle = title,
            Notes = _data.Notes,
        };
    }

    /// <summary>Where both kinds of steps nest, the engine's own within the profiler's, each piece of work counts once.</summary>
    private void DropOuterSteps()
    {
        foreach (int inner in _steps.Keys.ToArray())
        {
            int outer = _host.ParentOf(inner);
            if (outer >= 0 && (outer = _host.Enclosing(outer, HostKind.Step)) >= 0) _steps.Remove(outer);
        }
    }

    private void AddRows(DeviceWork[] work, Origin[] origins)
    {
        HashSet<int> counted = [];
        (int Module, int Operator, bool IsBounded) before = default;
        for (int i = 0; i < work.Length; i++)
        {
            ref readonly DeviceWork one = ref work[i];
            Origin origin = origins[i];
            long flops = one.Flops, bytes = one.Bytes;
            bool isBounded = flops > 0 || bytes > 0;
            // Only the first kernel of an operator carries its work; the others belong to it.
            if (!isBounded && one.Operator != 0) isBounded = before.IsBounded && before.Module == one.Module && before.Operator == one.Operator;
            else if (!isBounded && origin.HostOperator >= 0 && one.Kind != WorkKind.Memory)
            {
                ref readonly HostSpanOf op = ref _host[origin.HostOperator];
                isBounded = op.Flops > 0 || op.Bytes > 0;
                if (isBounded && counted.Add(origin.HostOperator)) (flops, bytes) = (op.Flops, op.Bytes);
            }
            before = (one.Module, one.Operator, isBounded);
            long time = one.End - one.Start;
            _total += time;
            if (origin.Module != 0) _withModule += time;
            if (origin.Operator != 0) _withOperator += time;
            string module = origin.Module != 0 ? _data.Names[origin.Module] : Unknown;
            string name = origin.Operator != 0 ? _data.IsPath(origin.Operator) ? RowTable.Collapse(_data.Names[origin.Operator]) : _data.Names[origin.Operator] : one.Kind == WorkKind.Memory ? _data.Names[one.Name] : Unknown;
            _layers.Add(module, time, isBounded, flops, bytes);
            _modules.Add(RowTable.Collapse(module), time, isBounded, flops, bytes);
            _operators.Add(name, time, isBounded, flops, bytes);
            int shapes = one.Shapes != 0 ? one.Shapes : origin.HostOperator >= 0 ? _host[origin.HostOperator].Shapes : 0;
            _operatorShapes.Add(WithShapes(name, shapes), time, isBounded, flops, bytes);
            _kernels.Add(_data.Names[one.Name], time, false, 0, 0);
            if (origin.Step >= 0 && _steps.TryGetValue(origin.Step, out StepSum? step)) step.Add(in one);
        }
    }

    /// <summary>The time of each operator that is not within another.</summary>
    /// <param name="areAll">The trace has no device work, so that these are all there is.</param>
    private void AddHostRows(bool areAll)
    {
        var own = new long[_host.Count];
        // Of spans that hold operators and have no library's name: modules, those at the root, as "lm_head", included.
        var holders = new HashSet<int>();
        for (int i = 0; i < _host.Count; i++)
        {
            if (_host[i].Kind != HostKind.Operator) continue;
            own[i] += _host[i].End - _host[i].Start;
            int outer = _host.ParentOf(i) is >= 0 and var parent ? _host.Enclosing(parent, HostKind.Operator) : -1;
            if (outer < 0) continue;
            own[outer] -= _host[i].End - _host[i].Start;
            if (_data.Names.Bytes(_host[outer].Name).IndexOf("::"u8) < 0) holders.Add(_host[outer].Name);
        }
        for (int i = 0; i < _host.Count; i++)
        {
            ref readonly HostSpanOf span = ref _host[i];
            if (span.Kind != HostKind.Operator) continue;
            string name = _data.Names[span.Name];
            int range = _host.Enclosing(i, HostKind.Range);
            // Spans of modules are operators too, named by their paths.
            string module = _data.IsPath(span.Name) || holders.Contains(span.Name) ? name : ModuleAround(i, holders) ?? (range >= 0 ? _data.Names[_host[range].Name] : Unknown);
            long time = Math.Max(0, own[i]);
            bool isBounded = span.Flops > 0 || span.Bytes > 0;
            string collapsed = RowTable.Collapse(name);
            _hostOperatorShapes.Add(WithShapes(collapsed, span.Shapes), time, isBounded, span.Flops, span.Bytes);
            if (!areAll) continue;
            _total += time;
            _withOperator += time;
            if (module != Unknown) _withModule += time;
            _layers.Add(module, time, isBounded, span.Flops, span.Bytes);
            _modules.Add(RowTable.Collapse(module), time, isBounded, span.Flops, span.Bytes);
            _operators.Add(collapsed, time, isBounded, span.Flops, span.Bytes);
            _operatorShapes.Add(WithShapes(collapsed, span.Shapes), time, isBounded, span.Flops, span.Bytes);
        }
    }

    /// <summary>"sgl::linear [8,2048]" of a trace's "[[8,2048]]"; the name alone where no shapes are known.</summary>
    private string WithShapes(string name, int shapes)
    {
        if (shapes == 0) return name;
        _hasShapes = true;
        return $"{name} {_data.Names[shapes][1..^1]}";
    }

    private string? ModuleAround(int index, HashSet<int> holders)
    {
        for (int i = _host.ParentOf(index); i >= 0; i = _host.ParentOf(i))
            if (_host[i].Kind == HostKind.Operator && (_data.IsPath(_host[i].Name) || holders.Contains(_host[i].Name))) return _data.Names[_host[i].Name];
        return null;
    }

    private void AddNotes(bool hasWork)
    {
        if (!hasWork) _data.Notes.Add("The trace has no work of a device: times are those of host operators, without what lies within them.");
        else if (!_ceiling.IsKnown) _data.Notes.Add($"No ceiling is known of {(DeviceType.Length > 0 ? $"'{DeviceType}'" : "this device")}; give --peak-bandwidth and --peak-tflops to see shares of it.");
        if (_steps.Count == 0) _data.Notes.Add("The trace marks no steps.");
    }

    private (long Start, long End) Window(List<(DeviceWork[] Work, Origin[] Origins)> works)
    {
        long start = long.MaxValue, end = long.MinValue;
        foreach ((DeviceWork[] work, _) in works)
            foreach (DeviceWork one in work) (start, end) = (Math.Min(start, one.Start), Math.Max(end, one.End));
        for (int i = 0; i < _host.Count; i++)
            if (works.Count == 0 || _host[i].Kind == HostKind.Step) (start, end) = (Math.Min(start, _host[i].Start), Math.Max(end, _host[i].End));
        return start <= end ? (start, end) : (0, 0);
    }

    private StepRow[] Steps(long origin) =>
    [
        .. _steps.OrderBy(one => _host[one.Key].Start).Select(one =>
            one.Value.ToRow(_data.Names[_host[one.Key].Name], _host[one.Key].Start - origin, _host[one.Key].End - _host[one.Key].Start)),
    ];

    /// <summary>[kind][slice], each a share of the slice; a moment with both compute and communication counts in both.</summary>
    private static double[][] Activity(DeviceWork[] work, long start, long end)
    {
        double[][] shares = [new double[ActivitySlices], new double[ActivitySlices], new double[ActivitySlices]];
        double width = Math.Max(1, (end - start) / (double)ActivitySlices);
        long[] until = [long.MinValue, long.MinValue, long.MinValue];
        foreach (DeviceWork one in work)
        {
            int kind = (int)one.Kind;
            long from = Math.Max(one.Start, until[kind]);
            if (one.End <= from) continue;
            until[kind] = one.End;
            for (int slice = (int)((from - start) / width); slice < ActivitySlices && start + slice * width < one.End; slice++)
            {
                double covered = Math.Min(one.End, start + (slice + 1) * width) - Math.Max(from, start + slice * width);
                if (covered > 0) shares[kind][slice] = Math.Min(1, shares[kind][slice] + covered / width);
            }
        }
        return shares;
    }

    /// <summary>The median step, or without steps the beginning of the trace.</summary>
    private (string Title, List<TimelineSpan> Spans) Timeline(List<(DeviceWork[] Work, Origin[] Origins)> works, long start, long end)
    {
        string title = "The whole trace";
        if (_steps.Count > 0)
        {
            (int index, StepSum sum) = _steps.OrderBy(one => one.Value.HasWork ? one.Value.Span : _host[one.Key].End - _host[one.Key].Start).ElementAt(_steps.Count / 2);
            start = Math.Min(_host[index].Start, sum.HasWork ? sum.First : long.MaxValue);
            end = Math.Max(_host[index].End, sum.HasWork ? sum.Last : long.MinValue);
            title = $"The step of median length: {_data.Names[_host[index].Name]}";
        }
        List<TimelineSpan> spans = [];
        var lanes = new SliceLanes();
        for (int i = 0; i < _host.Count && spans.Count < MaxTimelineSpans; i++)
        {
            ref readonly HostSpanOf span = ref _host[i];
            if (span.End < start || span.Start > end || span.End - span.Start > 4 * (end - start)) continue;
            int depth = 0;
            for (int parent = _host.ParentOf(i); parent >= 0; parent = _host.ParentOf(parent)) depth++;
            spans.Add(new TimelineSpan(_data.TrackNames[span.Thread], depth, _data.Names[span.Name], span.Start - start, span.End - span.Start, span.Kind.ToString()));
        }
        foreach ((DeviceWork[] work, Origin[] origins) in works)
        {
            for (int i = 0; i < work.Length && spans.Count < 2 * MaxTimelineSpans; i++)
            {
                ref readonly DeviceWork one = ref work[i];
                if (one.End < start || one.Start > end) continue;
                int lane = lanes.Place(((long)one.Device << 32) + one.Track, one.Start, one.End);
                string name = origins[i].Module != 0 ? $"{_data.Names[one.Name]} · {_data.Names[origins[i].Module]}" : _data.Names[one.Name];
                spans.Add(new TimelineSpan($"{_data.Devices[one.Device]}, {_data.TrackNames[one.Track]}", lane, name, one.Start - start, one.End - one.Start, one.Kind.ToString()));
            }
        }
        if (spans.Count >= MaxTimelineSpans) title += " (its first part)";
        return (title, spans);
    }
}
