namespace SgLang.Scheduling;

/// <summary>Why a planning decision left requests waiting.</summary>
public enum WaitCause : byte
{
    /// <summary>max_running_requests are running.</summary>
    NoRow,

    /// <summary>The KV pool is spoken for.</summary>
    NoMemory,

    /// <summary>The step has its share of prompt tokens (chunked_prefill_size, max_prefill_tokens).</summary>
    StepTokens,

    /// <summary>The step has its share of new requests (prefill_max_requests).</summary>
    StepRequests,

    /// <summary>A long prompt that is computed in chunks has taken the step.</summary>
    ChunkedPrompt,

    /// <summary>It has only just given way to others.</summary>
    JustRetracted,

    /// <summary>Nothing is planned until an operator lets the engine go on.</summary>
    Paused,
}
