using System.Text.Json;

namespace SgLang.Bench.OneBatchServer;

/// <summary>
/// Reads the one stream that answers a whole batch: when each row's first token came, and how many came. A row's first event may carry several
/// tokens (speculative decoding, a stream interval), so the first with at least one counts.
/// </summary>
internal sealed class BatchAnswerReader(int rows, bool isNative)
{
    private readonly int[] _tokens = new int[rows];
    private readonly int[] _cached = new int[rows];
    private readonly int[] _prompt = new int[rows];
    private int _rowsSeen;

    /// <summary>Stopwatch time stamp of the last row's first token; 0 until every row has one.</summary>
    public long LastFirstToken { get; private set; }

    /// <summary>Whether [DONE] was seen.</summary>
    public bool IsDone { get; private set; }

    public long OutputTokens => _tokens.Sum(count => (long)count);

    /// <summary>Null where the server does not say (0 prompt tokens).</summary>
    public double? CacheHitRate => _prompt.Sum() is > 0 and var prompt ? (double)_cached.Sum() / prompt : null;

    /// <exception cref="BenchException">An error, an abort, or not the answer of such a server.</exception>
    public void ReadLine(ReadOnlySpan<byte> line, long at)
    {
        if (IsDone || !line.StartsWith("data:"u8)) return;
        ReadOnlySpan<byte> data = line[5..].Trim((byte)' ');
        if (data.IsEmpty) return;
        if (data.SequenceEqual("[DONE]"u8))
        {
            IsDone = true;
            return;
        }
        try
        {
            var reader = new Utf8JsonReader(data);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            JsonElement body = document.RootElement;
            if (body.TryGetProperty("error", out JsonElement error) && error.ValueKind != JsonValueKind.Null) throw new BenchException($"the server ended the batch with an error: {error.GetRawText()}");
            if (isNative) ReadNative(body, at);
            else ReadCompletion(body, at);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new BenchException($"the answer is not that of a batch of {rows}: {e.Message}");
        }
    }

    private void ReadNative(JsonElement body, long at)
    {
        int row = body.TryGetProperty("index", out JsonElement index) && index.ValueKind == JsonValueKind.Number ? index.GetInt32() : 0;
        JsonElement meta = body.GetProperty("meta_info");
        if (meta.TryGetProperty("finish_reason", out JsonElement finish) && finish.ValueKind == JsonValueKind.Object && finish.GetProperty("type").GetString() is var type and not "length")
            throw new BenchException($"row {row} ended by '{type}' instead of its length: {finish.GetRawText()}");
        Count(row, meta.GetProperty("completion_tokens").GetInt32(), at);
        _cached[row] = Number(meta, "cached_tokens");
        _prompt[row] = Number(meta, "prompt_tokens");
    }

    /// <summary>Chunks of /v1/completions carry no counts for a row; whatever names it is its next token.</summary>
    private void ReadCompletion(JsonElement body, long at)
    {
        foreach (JsonElement choice in body.GetProperty("choices").EnumerateArray())
        {
            int row = choice.GetProperty("index").GetInt32();
            Count(row, _tokens[row] + 1, at);
        }
    }

    private void Count(int row, int total, long at)
    {
        if (_tokens[row] == 0 && total > 0 && ++_rowsSeen == rows) LastFirstToken = at;
        _tokens[row] = total;
    }

    private static int Number(JsonElement item, string field) => item.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : 0;
}
