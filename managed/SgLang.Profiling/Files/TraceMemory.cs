namespace SgLang.Profiling;

/// <summary>What `MEM` shows of a replica's memory: the KV pool's use as steps are planned, beside what does not change.</summary>
/// <param name="FixedBytes">Weights, and what capturing graphs took.</param>
/// <param name="PoolBytes">Of the KV pool.</param>
/// <param name="BytesPerToken">Of keys and values in it, over all layers.</param>
/// <param name="Device">Its number; null on the CPU.</param>
public sealed record TraceMemory(long FixedBytes, long PoolBytes, long BytesPerToken, int? Device)
{
    /// <summary>Spans of this name say in their third argument how many tokens are in use.</summary>
    public const string UsedTokensSpan = "scheduler.get_next_batch_to_run";
}
