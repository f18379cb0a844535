using System.Text;
using System.Text.Json;

namespace SgLang.Bench.Load;

/// <summary>
/// Reads the events of one answer after another into their records, from bytes and without allocating. Tokens are counted from the server's own
/// counts, never from chunks: a chunk may carry several tokens or a part of one. Lines that are not data (comments, event names, blank ones) are
/// not answers.
/// </summary>
public sealed class AnswerReader(AnswerShape shape)
{
    private RequestRecord _record = new(-1);
    private byte[] _text = new byte[1024];
    private int _textLength;
    private int _counted;
    private bool _everyChunkCounted;
    private bool _isIncremental;

    public AnswerReader(AnswerShape shape, RequestRecord record) : this(shape) => Begin(record);

    /// <summary>Whether [DONE] or an error was seen.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Starts over for the answer to another request.</summary>
    public void Begin(RequestRecord record)
    {
        _record = record;
        _textLength = 0;
        _counted = 0;
        _everyChunkCounted = true;
        _isIncremental = false;
        IsDone = false;
    }

    /// <param name="at">When the bytes were received.</param>
    public void ReadLine(ReadOnlySpan<byte> line, long at)
    {
        if (IsDone || !line.StartsWith("data:"u8)) return;
        ReadOnlySpan<byte> data = line[5..].Trim((byte)' ');
        if (data.IsEmpty) return;
        _record.Ended = at;
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
        _record.Ended = at;
        try
        {
            AnswerEvent answer = AnswerEvent.Read(json, shape);
            if (!answer.Error.IsEmpty) Fail($"error in the stream: {Encoding.UTF8.GetString(answer.Error)}");
            else if (answer.IsAbort) Fail($"aborted: {Encoding.UTF8.GetString(answer.FinishMessage)}");
            else Take(answer, at);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            Fail($"the answer is not that of {shape}: {e.Message}");
        }
    }

    /// <summary>After the last line: what the counts come to.</summary>
    public void Complete()
    {
        _record.RawText = _text.AsSpan(0, _textLength).ToArray();
        _record.IsCountedByChunk = _everyChunkCounted && _record.Arrivals.Count > 0;
        if (shape == AnswerShape.Embedding) _record.OutputTokens = 0;
        else if (_record.Error is null && _record.OutputTokens is null && _record.Arrivals.Count == 0) _record.Error = "the answer has no tokens";
    }

    private void Take(in AnswerEvent answer, long at)
    {
        _record.PromptTokens = answer.PromptTokens ?? _record.PromptTokens;
        _record.CachedTokens = answer.CachedTokens ?? _record.CachedTokens;
        if (!answer.CachedDetails.IsEmpty) _record.CachedDetails = AnswerEvent.ReadCounts(answer.CachedDetails);
        bool hasText = shape is AnswerShape.Native or AnswerShape.Triton
            ? AppendWhole(answer.Text)
            : AppendPart(answer.ReasoningContent.IsEmpty ? answer.Reasoning : answer.ReasoningContent) | AppendPart(answer.Text);
        if (answer.CompletionTokens is { } total)
        {
            _record.OutputTokens = total;
            // A usage-only last chunk repeats the count of chunks that carried none; it brings no token of its own.
            if (shape != AnswerShape.Native && !hasText && answer.HasNoChoice && _counted != total) _everyChunkCounted = false;
            else Count(total, at);
        }
        else if (shape == AnswerShape.Native)
        {
            throw new FormatException("meta_info.completion_tokens is missing");
        }
        else if (hasText)
        {
            _everyChunkCounted = false;
            _record.Arrivals.Add(new Arrival(at, null));
        }
    }

    /// <summary>Text without new tokens is the rest of a token that was counted before; tokens without text are tokens.</summary>
    private void Count(int total, long at)
    {
        if (total <= _counted) return;
        _record.Arrivals.Add(new Arrival(at, total - _counted));
        _counted = total;
    }

    /// <summary>
    /// Text that is the whole so far, or, from a server that was told so, only what is new: the first event that does not go on from the last
    /// shows which.
    /// </summary>
    private bool AppendWhole(ReadOnlySpan<byte> raw)
    {
        if (!_isIncremental && raw.StartsWith(_text.AsSpan(0, _textLength))) return AppendPart(raw[_textLength..]);
        if (raw.IsEmpty) return false;
        _isIncremental = true;
        return AppendPart(raw);
    }

    private bool AppendPart(ReadOnlySpan<byte> raw)
    {
        if (raw.IsEmpty) return false;
        if (_textLength + raw.Length > _text.Length) Array.Resize(ref _text, Math.Max(2 * _text.Length, _textLength + raw.Length));
        raw.CopyTo(_text.AsSpan(_textLength));
        _textLength += raw.Length;
        return true;
    }

    private void Fail(string reason)
    {
        _record.Error = reason;
        IsDone = true;
    }
}
