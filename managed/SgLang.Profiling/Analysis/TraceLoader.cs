using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>Reads traces of this program or of PyTorch event by event into <see cref="TraceData"/>.</summary>
internal sealed class TraceLoader
{
    private const int MaxShapeBytes = 1 << 16;

    private readonly TraceData _data = new();
    private readonly TextTable _tracks = new();
    private readonly Dictionary<int, int> _deviceOfPid = [];
    private readonly Dictionary<int, string> _labels = [];
    private readonly ShapeCost _shapes = new();
    private byte[] _key = new byte[64];
    private int _file;

    /// <exception cref="JsonException">A file is damaged.</exception>
    public static TraceData Load(IReadOnlyList<string> paths, Action<string>? reading = null)
    {
        var loader = new TraceLoader();
        long? origin = null;
        foreach (string path in paths)
        {
            reading?.Invoke(path);
            long its = paths.Count > 1 ? TraceHeader.Read(path).BaseNanoseconds : 0;
            origin ??= its;
            loader.ReadFile(path, its - origin.Value);
        }
        loader.NameDevices();
        return loader._data;
    }

    private void ReadFile(string path, long shift)
    {
        using var reader = new TraceReader(path);
        var item = new TraceEvent();
        while (reader.TryRead(item))
        {
            _data.NumEvents++;
            if (item.Phase == 'M') ReadMetadata(item);
            else if (item.Phase == 'X' && item.HasTime && item.HasDuration) ReadSpan(item, shift);
        }
        if (reader.Member("deviceProperties") is { } devices)
        {
            using JsonDocument document = JsonDocument.Parse(devices);
            foreach (JsonElement device in document.RootElement.EnumerateArray())
                if (device.TryGetProperty("name", out JsonElement name) && name.GetString() is { } type) _data.DeviceTypes.Add(type);
        }
        if (reader.Member("sglang") is { } own) ReadLosses(own);
        // Ids of one file say nothing about those of another.
        _file++;
    }

    private void ReadSpan(TraceEvent item, long shift)
    {
        long start = item.Time + shift, end = start + Math.Max(0, item.Duration);
        ReadOnlySpan<byte> category = item.Category;
        switch (category.Length)
        {
            case 6 when category.SequenceEqual("kernel"u8):
                AddWork(item, start, end, IsCommunication(item.Name) ? WorkKind.Communication : WorkKind.Compute);
                break;
            case 10 when category.SequenceEqual("gpu_memcpy"u8) || category.SequenceEqual("gpu_memset"u8):
                AddWork(item, start, end, WorkKind.Memory);
                break;
            case 19 when category.SequenceEqual("gpu_user_annotation"u8):
                _data.Ranges.Add(new DeviceRange(start, end, Name(item), Device(item.Pid), Track(item), IsStep(item.Name)));
                break;
            case 6 when category.SequenceEqual("cpu_op"u8):
                AddOperator(item, start, end);
                break;
            case 15 when category.SequenceEqual("user_annotation"u8):
                AddHost(item, start, end, IsStep(item.Name) ? HostKind.Step : HostKind.Range, 0);
                break;
            case 15 when category.SequenceEqual("python_function"u8) && item.Name.StartsWith("nn.Module: "u8):
                AddHost(item, start, end, HostKind.Range, 0);
                break;
            case 12 or 11 when category.SequenceEqual("cuda_runtime"u8) || category.SequenceEqual("cuda_driver"u8):
                bool isWait = item.Name.IndexOf("Synchronize"u8) >= 0;
                if (item.TryArgument("correlation"u8, out long correlation)) AddHost(item, start, end, isWait ? HostKind.Wait : HostKind.Launch, Unique(correlation));
                break;
        }
    }

    private void AddHost(TraceEvent item, long start, long end, HostKind kind, long link) =>
        _data.Host.Add(new HostSpanOf(start, end, Name(item), Track(item), kind, link, 0, 0, 0));

    private void AddOperator(TraceEvent item, long start, long end)
    {
        if (!item.TryArgument("External id"u8, out long id)) id = -1;
        (long flops, long bytes) = Cost(item);
        ReadOnlySpan<byte> dims = Dims(item);
        if (flops == 0 && bytes == 0 && dims.Length > 0) (flops, bytes) = _shapes.Of(item.Name, dims, item.Argument("Input type"u8));
        _data.Host.Add(new HostSpanOf(start, end, Name(item), Track(item), HostKind.Operator, id < 0 ? -1 : Unique(id), flops, bytes, Shapes(dims)));
    }

    private void AddWork(TraceEvent item, long start, long end, WorkKind kind)
    {
        long correlation = item.TryArgument("correlation"u8, out long value) ? Unique(value) : -1;
        long external = item.TryArgument("External id"u8, out value) ? Unique(value) : -1;
        // A copy's bytes are its size, not what an operator needs.
        (long flops, long bytes) = kind == WorkKind.Memory ? (0, 0) : Cost(item);
        _data.Work.Add(new DeviceWork(start, end, Name(item), Device(item.Pid), Track(item), kind, correlation, external,
            TextArgument(item, "module"u8), TextArgument(item, "operator"u8), flops, bytes, Shapes(Dims(item))));
    }

    private static (long Flops, long Bytes) Cost(TraceEvent item)
    {
        if (!item.TryArgument("flops"u8, out double flops) && !item.TryArgument("FLOPs"u8, out flops)) item.TryArgument("Flops"u8, out flops);
        item.TryArgument("bytes"u8, out double bytes);
        return ((long)flops, (long)bytes);
    }

    /// <summary>Empty where the trace has none, or more than anyone would read.</summary>
    private static ReadOnlySpan<byte> Dims(TraceEvent item) => item.Argument("Input Dims"u8) is { Length: > 2 and < MaxShapeBytes } dims ? dims : default;

    private int Shapes(ReadOnlySpan<byte> dims) => dims.IsEmpty ? 0 : _data.Names.Intern(dims);

    private int TextArgument(TraceEvent item, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> value = item.Argument(name);
        return value.Length > 2 && value[0] == '"' ? Text(value[1..^1]) : 0;
    }

    private int Name(TraceEvent item) => Text(item.Name);

    private int Text(ReadOnlySpan<byte> raw) => raw.Contains((byte)'\\') ? _data.Names.Intern(TraceEvent.Decode([(byte)'"', .. raw, (byte)'"'])) : _data.Names.Intern(raw);

    /// <summary>A number for (file, process, thread).</summary>
    private int Track(TraceEvent item)
    {
        int length = item.Pid.Length + item.Tid.Length + 2;
        if (_key.Length < length) _key = new byte[2 * length];
        item.Pid.CopyTo(_key);
        _key[item.Pid.Length] = (byte)'/';
        item.Tid.CopyTo(_key.AsSpan(item.Pid.Length + 1));
        _key[length - 1] = (byte)_file;
        int track = _tracks.Intern(_key.AsSpan(0, length));
        if (!_data.TrackNames.ContainsKey(track)) _data.TrackNames.Add(track, Encoding.UTF8.GetString(item.Tid).Trim('"'));
        return track;
    }

    private int Pid(ReadOnlySpan<byte> pid)
    {
        Span<byte> key = stackalloc byte[Math.Min(pid.Length, 200) + 1];
        pid[..(key.Length - 1)].CopyTo(key);
        key[^1] = (byte)_file;
        return _tracks.Intern(key);
    }

    private int Device(ReadOnlySpan<byte> pid)
    {
        int id = Pid(pid);
        if (_deviceOfPid.TryGetValue(id, out int device)) return device;
        device = _deviceOfPid.Count;
        _deviceOfPid.Add(id, device);
        _data.Devices.Add($"device {Encoding.UTF8.GetString(pid).Trim('"')}{(_file > 0 ? $" of file {_file + 1}" : "")}");
        return device;
    }

    private long Unique(long id) => ((long)_file << 44) + id;

    private void ReadMetadata(TraceEvent item)
    {
        if (item.Name.SequenceEqual("process_labels"u8)) _labels[Pid(item.Pid)] = TraceEvent.Decode(item.Argument("labels"u8));
        else if (item.Name.SequenceEqual("thread_name"u8)) _data.TrackNames[Track(item)] = TraceEvent.Decode(item.Argument("name"u8)).Trim();
    }

    private void NameDevices()
    {
        foreach ((int pid, int device) in _deviceOfPid)
            if (_labels.TryGetValue(pid, out string? label)) _data.Devices[device] = label.StartsWith('[') || _file == 1 ? label : $"{label} of {_data.Devices[device]}";
    }

    private void ReadLosses(byte[] own)
    {
        using JsonDocument document = JsonDocument.Parse(own);
        if (!document.RootElement.TryGetProperty("loss", out JsonElement loss) || loss.ValueKind != JsonValueKind.Object) return;
        foreach (JsonProperty property in loss.EnumerateObject())
            if (property.Value.ValueKind == JsonValueKind.Number && property.Value.TryGetInt64(out long count) && count > 0)
                _data.Notes.Add($"The trace is not complete: {property.Name} = {count}.");
    }

    internal static bool IsStep(ReadOnlySpan<byte> name) => name.StartsWith("ProfilerStep#"u8) || name.StartsWith("step["u8);

    /// <summary>Kernels of NCCL, and all-reduces of serving engines (spec/profiling.md 11.3, 11.4).</summary>
    private static bool IsCommunication(ReadOnlySpan<byte> name) =>
        name.StartsWith("nccl"u8) || name.IndexOf("nccl"u8) >= 0 || name.IndexOf("cross_device_reduce"u8) >= 0 || name.IndexOf("all_reduce"u8) >= 0 || name.IndexOf("allreduce"u8) >= 0
        || name.IndexOf("all_gather"u8) >= 0 || name.IndexOf("reduce_scatter"u8) >= 0 || name.IndexOf("nvshmem"u8) >= 0;
}
