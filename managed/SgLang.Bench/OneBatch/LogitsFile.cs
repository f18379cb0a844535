using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Bench.OneBatch;

/// <summary>
/// All logits of a correctness test as a safetensors file: `first` F32 [rows, vocabulary] after the first part of a prefill in two;
/// `logits` F32 [outputs, rows, vocabulary], of which the first are the prefill's; `output_ids` I32 [rows, outputs], drawn from them.
/// Written as the steps run: <see cref="Add"/> for each, then <see cref="End"/>.
/// </summary>
internal sealed class LogitsFile : IDisposable
{
    private readonly FileStream _file;
    private readonly string _path;

    private LogitsFile(FileStream file, string path)
    {
        _file = file;
        _path = path;
    }

    public static LogitsFile Create(string path, int rows, int vocabulary, int outputs, bool hasFirst)
    {
        long end = 0;
        JsonObject header = [];
        if (hasFirst) header["first"] = Entry("F32", ref end, rows, vocabulary);
        header["logits"] = Entry("F32", ref end, outputs, rows, vocabulary);
        header["output_ids"] = Entry("I32", ref end, rows, outputs);
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        try
        {
            FileStream file = File.Create(path);
            Span<byte> size = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(size, text.Length);
            file.Write(size);
            file.Write(text);
            return new LogitsFile(file, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(path, e);
        }
    }

    /// <summary>[rows][vocabulary]</summary>
    public void Add(float[][] logits)
    {
        foreach (float[] row in logits) Write(MemoryMarshal.AsBytes<float>(row));
    }

    /// <summary>[rows][outputs]</summary>
    public void End(int[][] outputIds)
    {
        foreach (int[] row in outputIds) Write(MemoryMarshal.AsBytes<int>(row));
    }

    public void Dispose() => _file.Dispose();

    private void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _file.Write(bytes);
        }
        catch (IOException e)
        {
            throw Unwritable(_path, e);
        }
    }

    private static JsonObject Entry(string type, ref long end, params ReadOnlySpan<int> shape)
    {
        long begin = end, count = 1;
        JsonArray sizes = [];
        foreach (int size in shape)
        {
            sizes.Add((JsonNode)size);
            count *= size;
        }
        end += count * sizeof(float);
        return new JsonObject { ["dtype"] = type, ["shape"] = sizes, ["data_offsets"] = new JsonArray(begin, end) };
    }

    private static BenchException Unwritable(string path, Exception e) => new($"--save-logits: cannot write '{path}': {e.Message}");
}
