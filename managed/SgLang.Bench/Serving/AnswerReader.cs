using System.Text;
using System.Text.Json;

namespace SgLang.Bench.Serving;

/// <summary>
/// Reads the events of one answer into its record. Tokens are counted from the server's own counts, never from chunks: a chunk may carry several
/// tokens or a part of one. Lines that are not data (comments, event names, blank ones) are not answers.
/// </summary>
public sealed class AnswerReader(AnswerShape shape, RequestRecord record)
{
    private int _counted;
    private readonly StringBuilder _text = new();
    private string _whole = "";
    private bool _everyChunkCounted = true;

    /// <summary>Whether [DONE] or an error was seen.</summary>
    public bool IsDone { get; private set; }

    /// <param name="at">When the bytes were received.</param>
    public void ReadLine(ReadOnlySpan<byte> line, long at)
    {
        if (IsDone || !line.StartsWith("data:"u8)) return;
        ReadOnlySpan<byte> data = line[5..].Trim((byte)' ');
        if (data.IsEmpty) return;
        record.Ended = at;
        if (data.SequenceEqual("[DONE]"u8))
        {
            IsDone = true;
            return;
        }
        ReadBody(data, at);
    }

    /// <summary>An event's JSON, or the whole answer of a request that is not streamed.</summary>
    public void ReadBody(ReadOnlySpan<byte> json, long at)
    {
        record.Ended = at;
        try
        {
            var reader = new Utf8JsonReader(json);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            JsonElement body = document.RootElement;
            if (body.ValueKind == JsonValueKind.Object && body.TryGetProperty("error", out JsonElement error) && error.ValueKind != JsonValueKind.Null)
            {
                Fail($"error in the stream: {error.GetRawText()}");
                return;
            }
            if (shape == AnswerShape.Native) ReadNative(body, at);
            else ReadOpenAI(body, at);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            Fail($"the answer is not that of {shape}: {e.Message}");
        }
    }

    /// <summary>After the last line: what the counts come to.</summary>
    public void Complete()
    {
        record.Text = shape == AnswerShape.Native ? _whole : _text.ToString();
        record.IsCountedByChunk = _everyChunkCounted && record.Arrivals.Count > 0;
        if (record.Error is null && record.OutputTokens is null && record.Arrivals.Count == 0) record.Error = "the answer has no tokens";
    }

    private void ReadNative(JsonElement body, long at)
    {
        JsonElement meta = body.GetProperty("meta_info");
        if (meta.TryGetProperty("finish_reason", out JsonElement finish) && finish.ValueKind == JsonValueKind.Object && Text(finish, "type") == "abort")
        {
            Fail($"aborted: {Text(finish, "message")}");
            return;
        }
        record.PromptTokens = Number(meta, "prompt_tokens") ?? record.PromptTokens;
        record.CachedTokens = Number(meta, "cached_tokens") ?? record.CachedTokens;
        int total = meta.GetProperty("completion_tokens").GetInt32();
        record.OutputTokens = total;
        // A stream's text is the whole so far, or with --incremental-streaming-output only what is new.
        if (Text(body, "text") is { } text)
        {
            _whole = text.StartsWith(_whole, StringComparison.Ordinal) ? text : _whole + text;
        }
        Count(total, at);
    }

    private void ReadOpenAI(JsonElement body, long at)
    {
        bool hasText = false;
        if (body.TryGetProperty("choices", out JsonElement choices) && choices.GetArrayLength() > 0)
        {
            JsonElement choice = choices[0];
            if (shape == AnswerShape.Completion)
            {
                hasText = Append(choice, "text");
            }
            else if (choice.TryGetProperty("delta", out JsonElement delta) || choice.TryGetProperty("message", out delta))
            {
                hasText = Append(delta, "reasoning_content") || Append(delta, "reasoning");
                hasText |= Append(delta, "content");
            }
        }
        if (body.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
        {
            record.PromptTokens = Number(usage, "prompt_tokens") ?? record.PromptTokens;
            if (usage.TryGetProperty("prompt_tokens_details", out JsonElement details) && details.ValueKind == JsonValueKind.Object)
                record.CachedTokens = Number(details, "cached_tokens") ?? record.CachedTokens;
            if (Number(usage, "completion_tokens") is { } total)
            {
                record.OutputTokens = total;
                // A usage-only last chunk repeats the count of chunks that carried none; it brings no token of its own.
                bool isUsageOnly = !hasText && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() == 0;
                if (isUsageOnly && _counted != total)
                {
                    _everyChunkCounted = false;
                    return;
                }
                Count(total, at);
                return;
            }
        }
        if (!hasText) return;
        _everyChunkCounted = false;
        record.Arrivals.Add(new Arrival(at, null));
    }

    /// <summary>Text without new tokens is the rest of a token that was counted before; tokens without text are tokens.</summary>
    private void Count(int total, long at)
    {
        if (total <= _counted) return;
        record.Arrivals.Add(new Arrival(at, total - _counted));
        _counted = total;
    }

    private bool Append(JsonElement item, string field)
    {
        if (Text(item, field) is not { Length: > 0 } text) return false;
        _text.Append(text);
        return true;
    }

    private void Fail(string reason)
    {
        record.Error = reason;
        IsDone = true;
    }

    private static string? Text(JsonElement item, string field) =>
        item.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int? Number(JsonElement item, string field) =>
        item.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : null;
}
