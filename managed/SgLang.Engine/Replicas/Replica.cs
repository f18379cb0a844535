using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>One data-parallel copy of the model: its loop, and what is dispatched to it.</summary>
internal sealed class Replica(int index, EngineLoop loop, Scheduler scheduler)
{
    private int _requests;
    private long _tokens;

    public int Index { get; } = index;
    public EngineLoop Loop { get; } = loop;

    /// <summary>Dispatched and not ended.</summary>
    public bool HasRequests => Volatile.Read(ref _requests) > 0;

    public ReplicaLoad Load(ReadOnlySpan<int> prompt, string? extraKey, bool withCachedTokens) => new(
        Loop.IsAlive, Volatile.Read(ref _requests), Volatile.Read(ref _tokens), withCachedTokens ? scheduler.ProbePrefix(prompt, extraKey) : 0);

    public void Add(int promptLength)
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Add(ref _tokens, promptLength);
    }

    public void Remove(int promptLength)
    {
        Interlocked.Decrement(ref _requests);
        Interlocked.Add(ref _tokens, -promptLength);
    }
}
