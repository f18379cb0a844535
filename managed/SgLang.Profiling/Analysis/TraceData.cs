namespace SgLang.Profiling;

/// <summary>What a span of a host thread is to the analysis.</summary>
internal enum HostKind : byte
{
    Operator,

    /// <summary>A module or another range that is neither an operator nor a step.</summary>
    Range,
    Step,

    /// <summary>A call that gives work to a device.</summary>
    Launch,

    /// <summary>A call that waits for a device.</summary>
    Wait,
}

/// <summary>What a device's time goes to.</summary>
internal enum WorkKind : byte
{
    Compute,
    Communication,
    Memory,
}

/// <summary>A span of a host thread; times in nanoseconds, names of <see cref="TraceData.Names"/>.</summary>
/// <param name="Link">An operator's external id, a launch's correlation.</param>
/// <param name="Flops">Of an operator, from its arguments or shapes; 0 where nobody knows. Bytes likewise.</param>
/// <param name="Shapes">Of an operator's inputs as the trace writes them, a name of <see cref="TraceData.Names"/>; 0 where it does not.</param>
internal readonly record struct HostSpanOf(long Start, long End, int Name, int Thread, HostKind Kind, long Link, long Flops, long Bytes, int Shapes);

/// <summary>A kernel, a copy or a set.</summary>
/// <param name="Device">Index in <see cref="TraceData.Devices"/>.</param>
/// <param name="Module">As the trace says it of the kernel itself; 0 where it does not. Operator, Flops, Bytes and Shapes likewise.</param>
internal readonly record struct DeviceWork(
    long Start, long End, int Name, int Device, int Track, WorkKind Kind, long Correlation, long ExternalId, int Module, int Operator, long Flops, long Bytes, int Shapes);

/// <summary>A range that the trace gives on a device's track.</summary>
internal readonly record struct DeviceRange(long Start, long End, int Name, int Device, int Track, bool IsStep);

/// <summary>What the analysis keeps of a trace: some fifty bytes an event and each name once.</summary>
internal sealed class TraceData
{
    public TextTable Names { get; } = new();
    public List<HostSpanOf> Host { get; } = [];
    public List<DeviceWork> Work { get; } = [];
    public List<DeviceRange> Ranges { get; } = [];

    /// <summary>Labels by the index that <see cref="DeviceWork"/> has.</summary>
    public List<string> Devices { get; } = [];

    /// <summary>Of threads and streams.</summary>
    public Dictionary<int, string> TrackNames { get; } = [];

    /// <summary>Names of the devices' types as the file's deviceProperties give them.</summary>
    public List<string> DeviceTypes { get; } = [];

    /// <summary>Whether an operator's name is a module's path, as "model.layers.0.mlp", rather than "aten::mm".</summary>
    public bool IsPath(int name) => Names.Bytes(name).Contains((byte)'.') && Names.Bytes(name).IndexOf("::"u8) < 0;

    public long NumEvents { get; set; }

    /// <summary>What the analysis cannot know and its reader should.</summary>
    public List<string> Notes { get; } = [];
}
