using Microsoft.Extensions.Logging;

namespace SgLang.Engine;

/// <summary>The engine's log lines; dashboards and scripts parse the batch lines (spec/server.md 12).</summary>
internal static partial class EngineLog
{
    /// <summary>All that this thread logs until disposal carries the name of its scheduler. One scheduler speaks for all ranks of its replica.</summary>
    public static IDisposable? BeginRank(ILogger logger, int replica, int numReplicas) =>
        logger.BeginScope(new Dictionary<string, object> { [InferenceEngine.LogRankProperty] = numReplicas > 1 ? $"DP{replica} TP0" : "TP0" });

    [LoggerMessage(1, LogLevel.Information,
        "Prefill batch, #new-seq: {NewSequences}, #new-token: {NewTokens}, #cached-token: {CachedTokens}, token usage: {Usage:F2}, " +
        "#running-req: {Running}, #queue-req: {Waiting}, #pending-token: {Pending}, cuda graph: {IsGraph}, input throughput (token/s): {Throughput:F2}")]
    public static partial void PrefillBatch(ILogger logger, int newSequences, int newTokens, int cachedTokens, double usage, int running, int waiting,
        long pending, bool isGraph, double throughput);

    [LoggerMessage(2, LogLevel.Information,
        "Decode batch, #running-req: {Running}, #token: {Tokens}, token usage: {Usage:F2}, cuda graph: {IsGraph}, " +
        "gen throughput (token/s): {Throughput:F2}, #queue-req: {Waiting}")]
    public static partial void DecodeBatch(ILogger logger, int running, int tokens, double usage, bool isGraph, double throughput, int waiting);

    [LoggerMessage(3, LogLevel.Warning, "KV cache pool is full. Retract requests. #retracted_reqs: {Retracted}, #new_tokens_gained: {Gained}, #new_token_ratio: {Before:F4} -> {After:F4}")]
    public static partial void Retracted(ILogger logger, long retracted, long gained, double before, double after);

    [LoggerMessage(4, LogLevel.Error, "Step {StepId} failed; its {NumRequests} requests end with an error.")]
    public static partial void StepFailed(ILogger logger, Exception error, long stepId, int numRequests);

    [LoggerMessage(5, LogLevel.Critical, "The engine has stopped.")]
    public static partial void EngineStopped(ILogger logger, Exception error);

    [LoggerMessage(6, LogLevel.Error, "Invariant broken while idle: {Violation}")]
    public static partial void InvariantBroken(ILogger logger, string violation);
}
