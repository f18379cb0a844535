using System.Text.Json;

namespace SgLang.Bench.Load;

/// <summary>When tokens came. <paramref name="Tokens"/> is null where the server did not count them in this chunk.</summary>
/// <param name="At">Stopwatch time stamp of the read that brought the chunk.</param>
public readonly record struct Arrival(long At, int? Tokens);

/// <summary>One request and what became of it. Times are Stopwatch time stamps.</summary>
/// <param name="expectedTokens">Sizes the list of arrivals, so that it does not grow while times are taken.</param>
public sealed class RequestRecord(int index, int expectedTokens = 0)
{
    private const int LargestReserve = 8192;
    private string? _text;

    public int Index { get; } = index;

    /// <summary>When the schedule wanted it sent; waiting for --max-concurrency comes after.</summary>
    public long Scheduled { get; set; }

    /// <summary>Just before the request was written to its connection.</summary>
    public long Sent { get; set; }

    /// <summary>The last line of the answer, [DONE] included.</summary>
    public long Ended { get; set; }

    /// <summary>Chunks that brought tokens or text, in order.</summary>
    public List<Arrival> Arrivals { get; } = new(Math.Min(expectedTokens + 2, LargestReserve));
    public int PlannedInput { get; init; }
    public int PlannedOutput { get; init; }

    /// <summary>As the server counted it; null where it did not.</summary>
    public int? PromptTokens { get; set; }
    public int? OutputTokens { get; set; }
    public int? CachedTokens { get; set; }

    /// <summary>Where cached tokens were, by name ("device", "host"); null where the server does not say.</summary>
    public Dictionary<string, long>? CachedDetails { get; set; }

    /// <summary>Whether every arrival's count is the server's own.</summary>
    public bool IsCountedByChunk { get; set; }

    /// <summary>The answer as it stood in JSON, without quotes; decoded when it is asked for, which is after the measurement.</summary>
    public byte[] RawText { get; set; } = [];

    public string Text => _text ??= Decode();

    /// <summary>Why it failed; null for a success.</summary>
    public string? Error { get; set; }
    public bool IsSuccess => Error is null;

    private string Decode()
    {
        byte[] quoted = [(byte)'"', .. RawText, (byte)'"'];
        var reader = new Utf8JsonReader(quoted);
        try
        {
            return reader.Read() ? reader.GetString()! : "";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Half of a surrogate pair at the end of an answer that was cut.
            return System.Text.Encoding.UTF8.GetString(RawText);
        }
    }
}
