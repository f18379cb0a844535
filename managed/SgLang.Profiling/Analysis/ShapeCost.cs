using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// The least work that PyTorch operators need, from the shapes that their spans record: multiply-adds count two, every input is read and the
/// result written once.
/// </summary>
internal sealed class ShapeCost
{
    private readonly List<(long Elements, int Rank, long Last, long BeforeLast, long Batch)> _inputs = [];
    private readonly List<int> _sizes = [];

    public (long Flops, long Bytes) Of(ReadOnlySpan<byte> name, ReadOnlySpan<byte> dims, ReadOnlySpan<byte> types)
    {
        if (!name.StartsWith("aten::"u8)) return default;
        ReadOnlySpan<byte> op = name[6..];
        bool isProduct = op.SequenceEqual("mm"u8) || op.SequenceEqual("bmm"u8) || op.SequenceEqual("_scaled_mm"u8), isAddedProduct = op.SequenceEqual("addmm"u8) || op.SequenceEqual("baddbmm"u8);
        bool isStream = IsStream(op);
        if (!isProduct && !isAddedProduct && !isStream) return default;
        ReadSizes(types);
        ReadDims(dims);
        if (isStream) return Stream();
        // [.., M, K] x [.., K, N]; the added term stands first.
        int a = isAddedProduct ? 1 : 0;
        if (_inputs.Count < a + 2 || _inputs[a].Rank < 2 || _inputs[a + 1].Rank < 2) return default;
        long m = _inputs[a].BeforeLast, k = _inputs[a].Last, n = _inputs[a + 1].Last, batch = _inputs[a].Batch;
        int size = Size(a);
        int resultSize = op.SequenceEqual("_scaled_mm"u8) ? 2 : size;
        long bytes = batch * ((m * k * size) + (k * n * Size(a + 1)) + (m * n * resultSize)) + (isAddedProduct ? _inputs[0].Elements * Size(0) : 0);
        return (2 * batch * m * n * k, bytes);
    }

    /// <summary>Operators that read every input and write a result as large as the largest.</summary>
    private static bool IsStream(ReadOnlySpan<byte> op) =>
        op.SequenceEqual("add"u8) || op.SequenceEqual("sub"u8) || op.SequenceEqual("mul"u8) || op.SequenceEqual("div"u8) || op.SequenceEqual("silu"u8) || op.SequenceEqual("gelu"u8)
        || op.SequenceEqual("relu"u8) || op.SequenceEqual("add_"u8) || op.SequenceEqual("mul_"u8) || op.SequenceEqual("_softmax"u8) || op.SequenceEqual("_fused_rms_norm"u8)
        || op.SequenceEqual("native_layer_norm"u8);

    private (long Flops, long Bytes) Stream()
    {
        long bytes = 0, largest = 0;
        for (int i = 0; i < _inputs.Count; i++)
        {
            long input = _inputs[i].Elements * Size(i);
            bytes += input;
            largest = Math.Max(largest, input);
        }
        return (0, bytes + largest);
    }

    private int Size(int input) => input < _sizes.Count ? _sizes[input] : 0;

    private void ReadDims(ReadOnlySpan<byte> json)
    {
        _inputs.Clear();
        var reader = new Utf8JsonReader(json);
        int depth = 0, rank = 0;
        long last = 1, beforeLast = 1, batch = 1;
        bool isNested = false;
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartArray:
                    if (++depth == 2) (rank, last, beforeLast, batch, isNested) = (0, 1, 1, 1, false);
                    // A list of tensors is not looked into.
                    else if (depth > 2) isNested = true;
                    break;
                case JsonTokenType.EndArray:
                    if (depth-- != 2) break;
                    bool isTensor = rank > 0 && !isNested;
                    _inputs.Add(isTensor ? (batch * beforeLast * last, rank, last, beforeLast, batch) : default);
                    break;
                case JsonTokenType.Number when depth == 2:
                    (batch, beforeLast) = rank > 1 ? (batch * beforeLast, last) : (batch, rank == 1 ? last : 1);
                    last = reader.TryGetInt64(out long dimension) ? dimension : 0;
                    rank++;
                    break;
                default:
                    if (depth == 1) _inputs.Add(default);
                    break;
            }
        }
    }

    private void ReadSizes(ReadOnlySpan<byte> json)
    {
        _sizes.Clear();
        if (json.IsEmpty) return;
        var reader = new Utf8JsonReader(json);
        int depth = 0;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartArray && ++depth == 2) _sizes.Add(0);
            else if (reader.TokenType == JsonTokenType.EndArray) depth--;
            else if (depth == 1 && reader.TokenType == JsonTokenType.String) _sizes.Add(SizeOf(ref reader));
        }
    }

    private static int SizeOf(ref Utf8JsonReader type)
    {
        if (type.ValueTextEquals("float"u8) || type.ValueTextEquals("int"u8)) return 4;
        if (type.ValueTextEquals("double"u8) || type.ValueTextEquals("long int"u8) || type.ValueTextEquals("long"u8)) return 8;
        if (type.ValueTextEquals("c10::BFloat16"u8) || type.ValueTextEquals("c10::Half"u8) || type.ValueTextEquals("short"u8)) return 2;
        if (type.ValueSpan.StartsWith("c10::Float8"u8) || type.ValueTextEquals("signed char"u8) || type.ValueTextEquals("unsigned char"u8) || type.ValueTextEquals("bool"u8)) return 1;
        return 0;
    }
}
