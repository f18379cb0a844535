namespace SgLang.Protocol;

/// <summary>One request in /requests. Times are in seconds; a null time has not been reached.</summary>
public sealed record RequestSummary
{
    public required string Rid { get; init; }

    /// <summary>queued, prefill, decode, finished or aborted.</summary>
    public required string State { get; init; }

    /// <summary>Unix time.</summary>
    public required double SubmittedAt { get; init; }
    public required int PromptTokens { get; init; }
    public required int CachedTokens { get; init; }
    public required int OutputTokens { get; init; }
    public int? MaxNewTokens { get; init; }
    public int? Priority { get; init; }
    public required bool Stream { get; init; }

    /// <summary>In the queue, over all of its stays there.</summary>
    public required double QueueTime { get; init; }
    public double? TimeToFirstToken { get; init; }

    /// <summary>To the last token; until now while it is not finished.</summary>
    public required double Latency { get; init; }
    public required int Retractions { get; init; }
    public string? FinishReason { get; init; }
}

/// <summary>Body of /requests: the latest first.</summary>
public sealed record RequestList
{
    public required IReadOnlyList<RequestSummary> Requests { get; init; }
}

/// <summary>Body of /requests/{rid}: what happened to a request, and why it waited.</summary>
public sealed record RequestReport
{
    public required RequestSummary Request { get; init; }

    /// <summary>Stretches of time that cover the request's life without gaps, and the sending of its answer.</summary>
    public required IReadOnlyList<RequestPhase> Phases { get; init; }
    public required IReadOnlyList<RequestHappening> Timeline { get; init; }

    /// <summary>Happenings beyond those that are kept.</summary>
    public required int OmittedEvents { get; init; }
    public required RequestWait Waited { get; init; }
    public RequestSending? Sent { get; init; }
}

/// <param name="Phase">queued, prefill, decode, stalled or sent.</param>
/// <param name="From">Seconds since submission.</param>
/// <param name="To">Seconds since submission; now, where it goes on.</param>
public sealed record RequestPhase(string Phase, double From, double To);

/// <param name="Event">queued, admitted, prefill, first_token, stalled, retracted, preempted or finished.</param>
/// <param name="At">Seconds since submission.</param>
/// <param name="Step">The step it belongs to; null where there is none.</param>
/// <param name="Text">The same for people.</param>
public sealed record RequestHappening(string Event, double At, long? Step, int Tokens, string Text);

/// <summary>Planning decisions that left a request waiting.</summary>
public sealed record RequestWait
{
    public required long Decisions { get; init; }

    /// <summary>How many of them by cause: no_row, no_memory, step_tokens, step_requests, chunked_prompt, just_retracted, paused.</summary>
    public required IReadOnlyDictionary<string, long> ByCause { get; init; }

    /// <summary>The latest, with their numbers; equal ones in a row are one.</summary>
    public required IReadOnlyList<WaitDecision> Latest { get; init; }
}

/// <summary>One or more equal planning decisions in a row.</summary>
public sealed record WaitDecision
{
    public required string Cause { get; init; }
    public required string Text { get; init; }

    /// <summary>The request that could not be admitted; this one, or one that it waits behind.</summary>
    public string? Head { get; init; }
    public required long FirstStep { get; init; }
    public required long LastStep { get; init; }
    public required long Count { get; init; }

    /// <summary>Seconds since submission.</summary>
    public required double From { get; init; }
    public required double To { get; init; }
    public required int Admitted { get; init; }
    public required long NeededTokens { get; init; }
    public required long RemainingTotal { get; init; }
    public required long RemainingCurrent { get; init; }
    public required long RemainingInput { get; init; }
    public int? RemainingChunk { get; init; }
    public required int FreeTokens { get; init; }
    public required int EvictableTokens { get; init; }
    public required int FreeRows { get; init; }
    public required int Running { get; init; }
    public required int Waiting { get; init; }
    public required double NewTokenRatio { get; init; }
}

/// <param name="First">Seconds since submission.</param>
public sealed record RequestSending(double First, double Last, long Chunks);
