namespace SgLang.Profiling;

/// <summary>What `MEM` shows of a rank's memory: its blocks and their changes, and the KV pool's use as steps are planned.</summary>
/// <param name="BytesPerToken">Of keys and values in the KV pool, over the rank's layers; 0 where nobody schedules.</param>
/// <param name="Device">Its number; null on the CPU.</param>
public sealed record TraceMemory(MemoryHistory History, long BytesPerToken, int? Device)
{
    /// <summary>Spans of this name say in their third argument how many tokens are in use.</summary>
    public const string UsedTokensSpan = "scheduler.get_next_batch_to_run";

    /// <summary>Kineto's numbers of devices; those of the host are 0 and -1.</summary>
    internal (int Type, int Id) PlaceOf(MemoryBlock block) => block.IsOnHost || Device is null ? (0, -1) : (1, Device.Value);
}
