using SgLang.Core;

namespace SgLang.Engine;

internal enum EngineMessageKind : byte
{
    Submit,

    /// <summary>The request was aborted before it could be queued: it ends as any other that is.</summary>
    SubmitAborted,
    AbortPrefix,
    AbortAll,
    AbortExactly,
    FinishAt,
    FlushCache,
    Pause,
    Resume,
    Stop,
}

/// <summary>A call on its way into the engine thread. Fields that a kind does not use are default.</summary>
internal readonly record struct EngineMessage(
    EngineMessageKind Kind,
    Generation? Generation = null,
    string? RidPrefix = null,
    int OutputLength = 0,
    int TimeoutMilliseconds = 0,
    FinishReason Reason = default,
    PauseMode PauseMode = default,
    TaskCompletionSource<bool>? Completion = null);
