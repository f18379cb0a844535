namespace SgLang.Bench.Serving;

/// <summary>When tokens came. <paramref name="Tokens"/> is null where the server did not count them in this chunk.</summary>
/// <param name="At">Stopwatch time stamp of the read that brought the chunk.</param>
public readonly record struct Arrival(long At, int? Tokens);

/// <summary>One request and what became of it. Times are Stopwatch time stamps.</summary>
public sealed class RequestRecord(int index)
{
    public int Index { get; } = index;

    /// <summary>When the schedule wanted it sent; waiting for --max-concurrency comes after.</summary>
    public long Scheduled { get; set; }

    /// <summary>Just before the request was written.</summary>
    public long Sent { get; set; }

    /// <summary>The last line of the answer, [DONE] included.</summary>
    public long Ended { get; set; }

    /// <summary>Chunks that brought tokens or text, in order.</summary>
    public List<Arrival> Arrivals { get; } = [];
    public int PlannedInput { get; init; }

    /// <summary>As the server counted it; null where it did not.</summary>
    public int? PromptTokens { get; set; }
    public int? OutputTokens { get; set; }
    public int? CachedTokens { get; set; }

    /// <summary>Whether every arrival's count is the server's own.</summary>
    public bool IsCountedByChunk { get; set; }
    public string Text { get; set; } = "";

    /// <summary>Why it failed; null for a success.</summary>
    public string? Error { get; set; }
    public bool IsSuccess => Error is null;
}
