namespace SgLang.Profiling;

/// <summary>Sums the work of one step, which comes in the order of starts for each device.</summary>
internal sealed class StepSum
{
    private readonly Dictionary<int, Part> _devices = [];

    public bool HasWork => _devices.Count > 0;

    /// <summary>Of the device with most of the work.</summary>
    public long First => Main.First;
    public long Last => Main.Last;
    public long Span => Main.Last - Main.First;

    private Part Main => _devices.Values.MaxBy(part => part.Busy)!;

    public void Add(in DeviceWork work)
    {
        if (!_devices.TryGetValue(work.Device, out Part? part)) _devices.Add(work.Device, part = new Part { First = work.Start, Last = work.Start });
        part.Busy += Math.Max(0, work.End - Math.Max(part.Last, work.Start));
        part.Last = Math.Max(part.Last, work.End);
        if (work.Kind == WorkKind.Communication) part.Communication += work.End - work.Start;
        part.Count++;
    }

    public StepRow ToRow(string name, long start, long host) => HasWork
        ? new StepRow(name, start, host, Span, Main.Busy, Main.Communication, _devices.Values.Sum(part => part.Count))
        : new StepRow(name, start, host, 0, 0, 0, 0);

    private sealed class Part
    {
        public long First { get; init; }
        public long Last { get; set; }
        public long Busy { get; set; }
        public long Communication { get; set; }
        public int Count { get; set; }
    }
}
