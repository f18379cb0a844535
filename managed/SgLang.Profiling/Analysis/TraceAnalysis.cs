namespace SgLang.Profiling;

/// <summary>How long something took in all its occurrences; nanoseconds.</summary>
public sealed class TimeStatistics
{
    private double _squares;

    public long Count { get; private set; }
    public double Total { get; private set; }
    public double Mean { get; private set; }
    public long Least { get; private set; } = long.MaxValue;
    public long Most { get; private set; }

    /// <summary>Of a sample; 0 for fewer than two.</summary>
    public double Variance => Count > 1 ? _squares / (Count - 1) : 0;

    /// <summary>Welford's way, which loses no digits.</summary>
    public void Add(long nanoseconds)
    {
        Count++;
        Total += nanoseconds;
        double before = nanoseconds - Mean;
        Mean += before / Count;
        _squares += before * (nanoseconds - Mean);
        Least = Math.Min(Least, nanoseconds);
        Most = Math.Max(Most, nanoseconds);
    }
}

/// <summary>Time of an operator, a module or a kernel, against what its work needs at least.</summary>
/// <param name="Flops">Sum over the occurrences whose work is known. Bytes likewise.</param>
/// <param name="LeastNanoseconds">The roofline's bound of those occurrences; 0 where the device's ceiling or the work is unknown.</param>
/// <param name="BoundedNanoseconds">What those occurrences took.</param>
public sealed record TimeRow(string Name, TimeStatistics Time, double Flops, double Bytes, double LeastNanoseconds, double BoundedNanoseconds)
{
    /// <summary>Share of the roofline; null where nothing is known.</summary>
    public double? Share => LeastNanoseconds > 0 && BoundedNanoseconds > 0 ? LeastNanoseconds / BoundedNanoseconds : null;
}

/// <summary>A device's window from its first to its last work; nanoseconds.</summary>
/// <param name="Busy">Time with any work on any stream.</param>
/// <param name="Overlapped">Communication while something else ran too.</param>
/// <param name="IdleHost">Waiting for the host to come to the next launch.</param>
/// <param name="IdleLaunch">Waiting while the host's call ran, or after it until the work began.</param>
/// <param name="IdleSynchronisation">Waiting while the host waited for the device, which kept it from launching.</param>
/// <param name="IdleUnknown">Before work whose launch is not in the trace.</param>
public sealed record DeviceSummary(
    string Name, long Start, long End, long Busy, long Compute, long Communication, long Memory, long Overlapped,
    long IdleHost, long IdleLaunch, long IdleSynchronisation, long IdleUnknown)
{
    public long Window => End - Start;
    public long Idle => Window - Busy;
    public long ExposedCommunication => Communication - Overlapped;
}

/// <summary>One step; nanoseconds, <see cref="Start"/> from the beginning of the trace.</summary>
/// <param name="Host">Of the host's span.</param>
/// <param name="DeviceSpan">From the step's first to its last work, on the device that has most of it.</param>
/// <param name="Busy">Time with work in that span.</param>
public sealed record StepRow(string Name, long Start, long Host, long DeviceSpan, long Busy, long Communication, int NumWorks)
{
    /// <summary>What steps are compared by: "step[DECODE", "ProfilerStep".</summary>
    public string Kind => Name.Split(' ', '#')[0];

    /// <summary>The longer of both sides; with a host that runs ahead it is the device's.</summary>
    public long Duration => NumWorks > 0 ? DeviceSpan : Host;
}

/// <summary>A span drawn in the timeline of one step; Lane counts from 0 within the track.</summary>
public sealed record TimelineSpan(string Track, int Lane, string Name, long Start, long Duration, string Kind);

/// <summary>What a trace says.</summary>
public sealed record TraceAnalysis
{
    public required IReadOnlyList<string> Files { get; init; }
    public required long NumEvents { get; init; }

    /// <summary>The device's type, and the ceiling that shares are of.</summary>
    public required string DeviceType { get; init; }
    public required DeviceCeiling Ceiling { get; init; }

    /// <summary>True: times are of the devices' work. False: the trace has none, and times are the host operators' own.</summary>
    public required bool HasDeviceWork { get; init; }
    public required IReadOnlyList<DeviceSummary> Devices { get; init; }

    /// <summary>All most time first.</summary>
    public required IReadOnlyList<TimeRow> Layers { get; init; }
    public required IReadOnlyList<TimeRow> Modules { get; init; }
    public required IReadOnlyList<TimeRow> Operators { get; init; }

    /// <summary>Whether the trace tells the shape of any operator's input.</summary>
    public required bool HasShapes { get; init; }

    /// <summary>Operators with the shapes of their inputs; where the trace has none, the same as <see cref="Operators"/>.</summary>
    public required IReadOnlyList<TimeRow> OperatorShapes { get; init; }

    /// <summary>The host operators' own time with the shapes of their inputs, whether or not the trace has device work.</summary>
    public required IReadOnlyList<TimeRow> HostOperatorShapes { get; init; }
    public required IReadOnlyList<TimeRow> Kernels { get; init; }
    public required IReadOnlyList<StepRow> Steps { get; init; }

    /// <summary>Share of the work's time whose module is known; likewise of operators.</summary>
    public required double ModuleCoverage { get; init; }
    public required double OperatorCoverage { get; init; }

    /// <summary>Share of each device's time in equal slices of the window: compute, communication, memory.</summary>
    public required IReadOnlyList<double[][]> Activity { get; init; }
    public required long ActivityStart { get; init; }
    public required long ActivityEnd { get; init; }

    /// <summary>Of the step whose length is the median.</summary>
    public required IReadOnlyList<TimelineSpan> Timeline { get; init; }
    public required string TimelineTitle { get; init; }
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Sum over devices, or of host operators' own time.</summary>
    public double TotalNanoseconds => Operators.Sum(row => row.Time.Total);
}
