namespace SgLang.Scheduling;

/// <summary>What a <see cref="TimelineEntry"/> tells of.</summary>
public enum RequestEvent : byte
{
    /// <summary>Joined the waiting requests. Tokens: how many waited before it.</summary>
    Queued,

    /// <summary>Left them for a step. Tokens: found in the prefix cache.</summary>
    Admitted,

    /// <summary>A part of the prompt (or, after a retraction, of prompt and output) joined a step. Tokens: computed by it.</summary>
    Prefill,

    /// <summary>The first output token is known.</summary>
    FirstToken,

    /// <summary>A token came late. Tokens: steps for others in between; Duration: since the token before.</summary>
    Stalled,

    /// <summary>Gave its memory back because the pool was full. Tokens: to be computed again.</summary>
    Retracted,

    /// <summary>Gave its place to a request of higher priority. Tokens: to be computed again.</summary>
    Preempted,

    /// <summary>Gave its memory back for a pause. Tokens: to be computed again.</summary>
    Suspended,

    /// <summary>Ended. Tokens: of the output.</summary>
    Finished,
}
