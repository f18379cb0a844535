namespace SgLang.Engine;

/// <summary>Requests with a grammar since the engine started.</summary>
/// <param name="CacheHits">Found it compiled.</param>
/// <param name="Aborted">Ended, or left by their client, while it was compiled.</param>
/// <param name="TimedOut">Compilations that ran into --grammar-compile-timeout.</param>
public readonly record struct GrammarCounts(long Requests, long CacheHits, long Aborted, long TimedOut);
