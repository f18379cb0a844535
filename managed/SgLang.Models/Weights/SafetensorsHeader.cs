using System.Buffers.Binary;
using System.Text.Json;

namespace SgLang.Models.Weights;

/// <summary>One tensor of a file. Bytes [Begin, End) count from the file's start.</summary>
public sealed record SafetensorsEntry(string Name, string DType, long[] Shape, long Begin, long End)
{
    public long NumBytes => End - Begin;

    public string ShapeText => "[" + string.Join(", ", Shape) + "]";
}

/// <summary>
/// The table of contents of a safetensors file: 8 bytes little-endian header size, a JSON header, then the tensors' bytes without gap or
/// overlap. Nothing in it is trusted: every claim is checked against the file's size.
/// </summary>
public static class SafetensorsHeader
{
    /// <summary>The format's own limit.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    /// <summary>Reads and checks the header. Throws <see cref="WeightException"/> naming the file and the tensor.</summary>
    public static IReadOnlyDictionary<string, SafetensorsEntry> Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            Span<byte> prefix = stackalloc byte[8];
            if (file.Length < 8) throw new WeightException($"{path}: {file.Length} bytes; a safetensors file has at least 8. The file is truncated.");
            file.ReadExactly(prefix);
            ulong size = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (size > (ulong)(file.Length - 8))
                throw new WeightException($"{path}: the header claims {size} bytes, the file has {file.Length - 8} after its first 8. The file is truncated or not safetensors.");
            if (size > MaxHeaderBytes) throw new WeightException($"{path}: the header claims {size} bytes; the format allows {MaxHeaderBytes}.");
            var header = new byte[size];
            file.ReadExactly(header);
            return Parse(header, file.Length - 8 - (long)size, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>The pure part of <see cref="Read"/>: <paramref name="dataBytes"/> is what follows the header in the file.</summary>
    public static IReadOnlyDictionary<string, SafetensorsEntry> Parse(ReadOnlyMemory<byte> header, long dataBytes, string path)
    {
        var entries = new Dictionary<string, SafetensorsEntry>();
        long dataStart = 8 + header.Length;
        try
        {
            using JsonDocument json = JsonDocument.Parse(header);
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw new WeightException($"{path}: the header is not a JSON object.");
            foreach (JsonProperty property in json.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__") continue;
                SafetensorsEntry entry = ParseEntry(property, dataBytes, dataStart, path);
                if (!entries.TryAdd(entry.Name, entry)) throw new WeightException($"{path}: tensor {entry.Name} is listed twice.");
            }
        }
        // InvalidOperationException: a string that is not valid UTF-8 or UTF-16.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new WeightException($"{path}: the header is not valid JSON: {e.Message}", e);
        }
        CheckCoverage(entries.Values, dataBytes, dataStart, path);
        return entries;
    }

    private static SafetensorsEntry ParseEntry(JsonProperty property, long dataBytes, long dataStart, string path)
    {
        string name = property.Name;
        JsonElement value = property.Value;
        if (value.ValueKind != JsonValueKind.Object
            || !value.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String
            || !value.TryGetProperty("shape", out JsonElement shape) || Longs(shape) is not { } dimensions
            || !value.TryGetProperty("data_offsets", out JsonElement offsets) || Longs(offsets) is not { Length: 2 } range)
            throw new WeightException($"{path}: tensor {name}: the header entry must be {{dtype, shape, data_offsets: [begin, end]}} with whole numbers of at least 0.");

        int bits = BitsOf(dtype.GetString()!);
        if (bits == 0) throw new WeightException($"{path}: tensor {name}: dtype {dtype.GetString()} is unknown.");
        (long begin, long end) = (range[0], range[1]);
        if (begin > end || end > dataBytes)
            throw new WeightException($"{path}: tensor {name}: data_offsets [{begin}, {end}] lie outside the file's {dataBytes} bytes of data. The file is truncated or its header is wrong.");

        var entry = new SafetensorsEntry(name, dtype.GetString()!, dimensions, dataStart + begin, dataStart + end);
        UInt128 wanted = (UInt128)bits;
        foreach (long dimension in dimensions)
        {
            wanted *= (UInt128)dimension;
            // Past any file's size; stops before the product can wrap.
            if (wanted > (UInt128)long.MaxValue) break;
        }
        if (wanted != (UInt128)(end - begin) * 8)
            throw new WeightException($"{path}: tensor {name}: {entry.DType} {entry.ShapeText} takes {wanted / 8} bytes, its data_offsets hold {end - begin}.");
        return entry;
    }

    private static void CheckCoverage(IEnumerable<SafetensorsEntry> entries, long dataBytes, long dataStart, string path)
    {
        long position = dataStart;
        string before = "the header";
        foreach (SafetensorsEntry entry in entries.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.Begin < position) throw new WeightException($"{path}: tensor {entry.Name}: its bytes overlap those of {before}.");
            if (entry.Begin > position) throw new WeightException($"{path}: tensor {entry.Name}: {entry.Begin - position} bytes before it belong to no tensor.");
            position = entry.End;
            before = entry.Name;
        }
        if (position != dataStart + dataBytes)
            throw new WeightException($"{path}: {dataStart + dataBytes - position} bytes after {before} belong to no tensor. The file or its header is damaged.");
    }

    private static long[]? Longs(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Array) return null;
        var values = new long[element.GetArrayLength()];
        for (int i = 0; i < values.Length; i++)
            if (element[i].ValueKind != JsonValueKind.Number || !element[i].TryGetInt64(out values[i]) || values[i] < 0) return null;
        return values;
    }

    private static int BitsOf(string dtype) => dtype switch
    {
        "F64" or "I64" or "U64" => 64,
        "F32" or "I32" or "U32" => 32,
        "F16" or "BF16" or "I16" or "U16" => 16,
        "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "I8" or "U8" or "BOOL" => 8,
        "F4" => 4,
        _ => 0,
    };
}
