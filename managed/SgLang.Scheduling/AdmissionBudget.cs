namespace SgLang.Scheduling;

internal enum AdmissionStatus : byte
{
    Continue,

    /// <summary>KV memory is spoken for.</summary>
    NoToken,

    /// <summary>The step has its share of prompt tokens.</summary>
    Other,
}

/// <summary>
/// What a prefill step may still take on, in tokens. Memory is counted as available (free + evictable, read live: locking a prefix
/// shrinks it) less what running and admitted requests are expected to use. Pages are allocated only after admission has ended, else they
/// would count twice.
/// </summary>
internal struct AdmissionBudget
{
    private readonly KvCache _cache;
    private long _totalOffset, _currentOffset;

    /// <param name="mixedTokens">Decode tokens that join the step.</param>
    /// <param name="mixedMemory">Tokens of the pages they need.</param>
    /// <param name="runningReserve">Future tokens expected of running requests.</param>
    public AdmissionBudget(KvCache cache, int maxPrefillTokens, int chunkedPrefillSize, int mixedTokens, int mixedMemory, double runningReserve)
    {
        _cache = cache;
        _currentOffset = mixedMemory;
        _totalOffset = mixedMemory + (long)Math.Ceiling(runningReserve);
        RemainingInput = maxPrefillTokens - mixedTokens;
        HasChunkLimit = chunkedPrefillSize >= 0;
        RemainingChunk = HasChunkLimit ? chunkedPrefillSize - mixedTokens : int.MaxValue;
    }

    public readonly long RemainingTotal => _cache.AvailableTokens - _totalOffset;
    public readonly long RemainingCurrent => _cache.AvailableTokens - _currentOffset;
    public long RemainingInput { get; private set; }
    public bool HasChunkLimit { get; }
    public int RemainingChunk { get; private set; }

    public readonly AdmissionStatus Status =>
        RemainingTotal <= 0 || RemainingCurrent <= 0 ? AdmissionStatus.NoToken
        : RemainingInput <= 0 || (HasChunkLimit && RemainingChunk <= 0) ? AdmissionStatus.Other
        : AdmissionStatus.Continue;

    /// <summary>Future tokens of a running request that is one no longer.</summary>
    public void Release(double runningReserve) => _totalOffset -= (long)Math.Floor(runningReserve);

    /// <summary>Takes on new tokens now and future ones later; a page more covers misalignment.</summary>
    public void Charge(int newTokens, int futureTokens)
    {
        int rounded = _cache.RoundUp(newTokens);
        _totalOffset += rounded + futureTokens + _cache.PageSize;
        _currentOffset += rounded + _cache.PageSize;
        RemainingInput -= rounded;
        if (HasChunkLimit) RemainingChunk -= rounded;
    }
}
