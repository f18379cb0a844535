namespace SgLang.Profiling;

/// <summary>Where a piece of a device's work comes from; -1 and 0 where nobody knows.</summary>
/// <param name="Launch">Index of the host's call.</param>
/// <param name="Step">Index of the step's host span.</param>
/// <param name="HostOperator">Index of the operator's host span.</param>
internal readonly record struct Origin(int Launch, int Step, int HostOperator, int Module, int Operator);

/// <summary>
/// Finds each piece of work's origin: what the trace says of the kernel itself, else the host's call of the same correlation and the spans
/// around it, else the operator of the same external id, else the ranges on the device's own track.
/// </summary>
internal sealed class Attribution
{
    private readonly TraceData _data;
    private readonly HostNest _host;
    private readonly Dictionary<long, int> _launches = [];
    private readonly Dictionary<long, int> _operators = [];
    private readonly Dictionary<int, DeviceRange[]> _ranges;
    private readonly Dictionary<int, int> _stepsByName = [];

    public Attribution(TraceData data, HostNest host)
    {
        _data = data;
        _host = host;
        for (int i = 0; i < host.Count; i++)
        {
            ref readonly HostSpanOf span = ref host[i];
            if (span.Kind is HostKind.Launch or HostKind.Wait) _launches.TryAdd(span.Link, i);
            else if (span.Kind == HostKind.Operator && span.Link >= 0) _operators[span.Link] = i;
            else if (span.Kind == HostKind.Step) _stepsByName.TryAdd(span.Name, i);
        }
        _ranges = data.Ranges.GroupBy(range => range.Track).ToDictionary(group => group.Key, group => group.OrderBy(range => range.Start).ThenByDescending(range => range.End).ToArray());
    }

    public Origin Of(in DeviceWork work)
    {
        int launch = work.Correlation >= 0 && _launches.TryGetValue(work.Correlation, out int found) ? found : -1;
        int op = launch >= 0 ? _host.Enclosing(launch, HostKind.Operator) : -1;
        if (op < 0 && work.ExternalId >= 0 && _operators.TryGetValue(work.ExternalId, out found)) op = found;
        int around = launch >= 0 ? launch : op;
        int step = around >= 0 ? _host.Enclosing(around, HostKind.Step) : -1;
        int module = work.Module;
        if (module == 0)
        {
            int range = around >= 0 ? RangeAround(around) : -1;
            module = range >= 0 ? _host[range].Name : RangeAt(in work, wantsStep: false);
        }
        if (step < 0 && RangeAt(in work, wantsStep: true) is > 0 and var name && _stepsByName.TryGetValue(name, out found)) step = found;
        return new Origin(launch, step, op, module, work.Operator != 0 ? work.Operator : op >= 0 ? _host[op].Name : 0);
    }

    /// <summary>
    /// The nearest module or other range. Spans of modules that are operators are named by their paths; a module at the root, as "lm_head", is
    /// told from an operator by having one of a library, as "sgl::linear", within.
    /// </summary>
    private int RangeAround(int index)
    {
        bool holdsOperator = false;
        for (; index >= 0; index = _host.ParentOf(index))
        {
            ref readonly HostSpanOf span = ref _host[index];
            if (span.Kind == HostKind.Range) return index;
            if (span.Kind != HostKind.Operator) continue;
            bool isOfLibrary = _data.Names.Bytes(span.Name).IndexOf("::"u8) >= 0;
            if (_data.IsPath(span.Name) || (holdsOperator && !isOfLibrary)) return index;
            holdsOperator |= isOfLibrary;
        }
        return -1;
    }

    /// <summary>The name of the innermost range of the work's track around it; 0 where there is none.</summary>
    private int RangeAt(in DeviceWork work, bool wantsStep)
    {
        if (!_ranges.TryGetValue(work.Track, out DeviceRange[]? ranges)) return 0;
        int low = 0, high = ranges.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (ranges[middle].Start <= work.Start) low = middle + 1;
            else high = middle;
        }
        // Ranges nest a few levels deep, so the one around is near; far ones are given up on rather than searched for.
        for (int i = low - 1; i >= 0 && i > low - 64; i--)
            if (ranges[i].End >= work.End && ranges[i].IsStep == wantsStep) return ranges[i].Name;
        return 0;
    }
}
