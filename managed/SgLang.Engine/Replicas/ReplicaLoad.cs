namespace SgLang.Engine;

/// <summary>What a choice between replicas looks at.</summary>
/// <param name="Requests">Dispatched and unfinished.</param>
/// <param name="Tokens">Of their prompts.</param>
/// <param name="CachedTokens">Of the prompt in question that the replica's prefix cache holds.</param>
internal readonly record struct ReplicaLoad(bool IsAlive, int Requests, long Tokens, int CachedTokens = 0);
