namespace SgLang.Bench.Load;

/// <summary>Where requests go and how answers are read.</summary>
public sealed record LoadClientOptions
{
    /// <summary>Scheme, host, port and path.</summary>
    public required Uri Address { get; init; }
    public required AnswerShape Shape { get; init; }
    public bool IsStreaming { get; init; } = true;

    /// <summary>Whether a stream without [DONE] was cut; some servers never send it.</summary>
    public bool ExpectsDone { get; init; } = true;

    /// <summary>A connection for each request, as clients without keep-alive do.</summary>
    public bool FreshConnections { get; init; }

    /// <summary>Sent with every request.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];
}
