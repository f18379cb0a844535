using System.Text.Json;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Weights;

/// <summary>
/// The tensors of a model directory by name: `model.safetensors`, or the shards that `model.safetensors.index.json` names, or every
/// *.safetensors file. Files are mapped, so only what is asked for is read. Throws <see cref="WeightException"/>.
/// </summary>
public sealed class WeightReader : IWeightSource
{
    private const string IndexName = "model.safetensors.index.json";

    private readonly Dictionary<string, (string Path, SafetensorsEntry Entry)> _tensors = [];
    private readonly Dictionary<string, MappedFile> _files = [];
    private readonly HashSet<string> _used = [];
    private readonly Action<long>? _bytesLoaded;
    private readonly string _directory;

    private WeightReader(string directory, Action<long>? bytesLoaded)
    {
        _directory = directory;
        _bytesLoaded = bytesLoaded;
    }

    /// <param name="bytesLoaded">Called after each tensor with the bytes of the checkpoint it took.</param>
    public static WeightReader Open(string directory, Action<long>? bytesLoaded = null)
    {
        var reader = new WeightReader(directory, bytesLoaded);
        string index = Path.Combine(directory, IndexName), single = Path.Combine(directory, "model.safetensors");
        if (File.Exists(index)) reader.AddIndexed(index);
        else if (File.Exists(single)) reader.AddFile(single);
        else
        {
            string[] all = Directory.GetFiles(directory, "*.safetensors");
            Array.Sort(all, StringComparer.Ordinal);
            if (all.Length == 0)
                throw new WeightException($"{directory}: no weights. It must hold model.safetensors or {IndexName} with its shards; --load-format dummy runs without weights.");
            foreach (string path in all) reader.AddFile(path);
        }
        reader.CompleteNames();
        return reader;
    }

    public long BytesChecked { get; private set; }

    public void ResetBytesChecked() => BytesChecked = 0;

    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>Tensors that no layer asked for, in order of name.</summary>
    public IReadOnlyList<string> UnusedTensors() => [.. _tensors.Keys.Where(name => !_used.Contains(name)).Order(StringComparer.Ordinal)];

    public void Load(DeviceContext context, PackedWeight weight, ReadOnlySpan<WeightPart> parts)
    {
        Span<long> nextRow = stackalloc long[Math.Max(1, Math.Min(weight.NumGroups, 4096))];
        if (weight.NumGroups > nextRow.Length) throw new WeightException($"{parts[0].Name}: {weight.NumGroups} experts; at most {nextRow.Length} are supported.");
        nextRow.Clear();
        foreach (WeightPart part in parts)
        {
            Shard columns = part.Columns.Size == 0 ? Shard.Whole(weight.InFeatures) : part.Columns;
            (string path, SafetensorsEntry entry, DType dtype) = Find(part.Name, [part.Rows.Size, columns.Size]);
            long bytes = part.Rows.Count * columns.Count * dtype.SizeInBytes();
            if (context.IsMeta) BytesChecked += bytes;
            else
            {
                LoadRows(context, weight, Map(path), entry.Begin, dtype, part, columns, nextRow[part.Group]);
                _bytesLoaded?.Invoke(bytes);
            }
            nextRow[part.Group] += part.Rows.Count;
        }
    }

    public void Load(DeviceContext context, in Tensor vector, ReadOnlySpan<WeightPart> parts)
    {
        long start = 0;
        foreach (WeightPart part in parts)
        {
            (string path, SafetensorsEntry entry, DType dtype) = Find(part.Name, [part.Rows.Size]);
            long element = dtype.SizeInBytes(), bytes = part.Rows.Count * element;
            if (context.IsMeta) BytesChecked += bytes;
            else
            {
                ReadOnlySpan<byte> values = Map(path).AsSpan(entry.Begin + part.Rows.First * element, checked((int)bytes));
                VectorConverter.Upload(context, vector.Rows(start, part.Rows.Count), values, dtype);
                _bytesLoaded?.Invoke(bytes);
            }
            start += part.Rows.Count;
        }
    }

    public void Dispose()
    {
        foreach (MappedFile file in _files.Values) file.Dispose();
        _files.Clear();
    }

    /// <summary>Checkpoints of embedding models are stored without the head and begin inside of what has one: "layers.0..." is "model.layers.0...".</summary>
    private void CompleteNames()
    {
        if (!_tensors.ContainsKey("embed_tokens.weight")) return;
        foreach ((string name, (string, SafetensorsEntry) tensor) in _tensors.ToArray())
            if (!name.StartsWith("lm_head.", StringComparison.Ordinal) && _tensors.TryAdd($"model.{name}", tensor)) _tensors.Remove(name);
    }

    /// <summary>
    /// Straight from the mapped file, of which only the part's own pages are read; by way of a buffer where an odd header size puts the data on
    /// odd addresses.
    /// </summary>
    private static void LoadRows(DeviceContext context, PackedWeight weight, MappedFile file, long begin, DType dtype, WeightPart part, Shard columns,
        long firstRow)
    {
        Shard wanted = part.Rows;
        if (wanted.Count == 0) return;
        if (begin % dtype.SizeInBytes() == 0)
        {
            Tensor stored = file.AsTensor(begin, dtype, wanted.Size, columns.Size);
            weight.Load(stored.Rows(wanted.First, wanted.Count).Columns(columns.First, columns.Count), firstRow, part.Group);
            return;
        }
        long rowBytes = columns.Size * dtype.SizeInBytes();
        int blockRows = (int)Math.Clamp((16 << 20) / rowBytes, 1, wanted.Count);
        using var buffer = new PinnedBuffer(context, blockRows * rowBytes);
        for (long row = 0; row < wanted.Count; row += blockRows)
        {
            int rows = (int)Math.Min(blockRows, wanted.Count - row), bytes = checked((int)(rows * rowBytes));
            file.AsSpan(begin + (wanted.First + row) * rowBytes, bytes).CopyTo(buffer.AsSpan<byte>(bytes));
            weight.Load(buffer.AsTensor(dtype, rows, columns.Size).Columns(columns.First, columns.Count), firstRow + row, part.Group);
        }
    }

    private (string Path, SafetensorsEntry Entry, DType DType) Find(string name, ReadOnlySpan<long> shape)
    {
        if (!_tensors.TryGetValue(name, out var found))
            throw new WeightException($"{_directory}: tensor {name} is missing. The checkpoint is incomplete or config.json names another architecture.");
        if (!found.Entry.Shape.AsSpan().SequenceEqual(shape))
            throw new WeightException($"{found.Path}: tensor {name} is {found.Entry.ShapeText}; config.json makes it [{string.Join(", ", shape.ToArray())}].");
        _used.Add(name);
        DType dtype = found.Entry.DType switch
        {
            "F32" => DType.F32,
            "F16" => DType.F16,
            "BF16" => DType.BF16,
            _ => throw new WeightException($"{found.Path}: tensor {name} is {found.Entry.DType}; weights must be F32, F16 or BF16."),
        };
        return (found.Path, found.Entry, dtype);
    }

    private MappedFile Map(string path)
    {
        if (!_files.TryGetValue(path, out MappedFile? file)) _files.Add(path, file = new MappedFile(path));
        return file;
    }

    private void AddFile(string path)
    {
        foreach ((string name, SafetensorsEntry entry) in SafetensorsHeader.Read(path))
            if (!_tensors.TryAdd(name, (path, entry))) throw new WeightException($"{path}: tensor {name} is also in {_tensors[name].Path}.");
    }

    /// <summary>Reads only files that the index names, since a directory may hold the same weights once more in another layout.</summary>
    private void AddIndexed(string index)
    {
        Dictionary<string, string> map = ParseIndex(File.ReadAllBytes(index), index);
        var headers = new Dictionary<string, IReadOnlyDictionary<string, SafetensorsEntry>>();
        foreach ((string name, string file) in map)
        {
            string path = Path.Combine(_directory, file);
            if (!headers.TryGetValue(file, out var header))
            {
                if (!File.Exists(path)) throw new WeightException($"{index}: tensor {name} is in {file}, which is not there. Download every shard.");
                headers.Add(file, header = SafetensorsHeader.Read(path));
            }
            if (!header.TryGetValue(name, out SafetensorsEntry? entry)) throw new WeightException($"{path}: tensor {name} is not in it, though {IndexName} says so.");
            _tensors.Add(name, (path, entry));
        }
    }

    /// <summary>weight_map of an index: tensor name to file name in the same directory.</summary>
    internal static Dictionary<string, string> ParseIndex(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("weight_map", out JsonElement weights)
                || weights.ValueKind != JsonValueKind.Object)
                throw new WeightException($"{path}: there is no weight_map object.");
            var map = new Dictionary<string, string>();
            foreach (JsonProperty property in weights.EnumerateObject())
            {
                string? file = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString() : null;
                // A name with a folder in it could reach outside of the model.
                if (string.IsNullOrEmpty(file) || file != Path.GetFileName(file))
                    throw new WeightException($"{path}: weight_map.{property.Name} is {property.Value.GetRawText()}; it must be the name of a file beside the index.");
                if (!map.TryAdd(property.Name, file)) throw new WeightException($"{path}: weight_map lists {property.Name} twice.");
            }
            return map;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new WeightException($"{path}: not valid JSON: {e.Message}", e);
        }
    }
}
