using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>The limits a <see cref="Scheduler"/> works within; fixed for its life.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Requests that hold a row at once; rows are numbered from 0 to this minus one.</summary>
    public required int MaxRunningRequests { get; init; }

    /// <summary>Usable pages of the KV pool, numbered from 1; page 0 is the dummy that padding writes to and is not counted.</summary>
    public required int NumPages { get; init; }

    /// <summary>Tokens per page.</summary>
    public required int PageSize { get; init; }

    /// <summary>Longest sequence (prompt and output) the model accepts, in tokens.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Ids outside [0, this) end a request; 0 turns the check off.</summary>
    public int VocabularySize { get; init; }

    /// <summary>New tokens one prefill step may compute; -1 turns chunking off.</summary>
    public int ChunkedPrefillSize { get; init; } = -1;

    /// <summary>Prompt tokens after which a prefill step takes no further request; the first is always taken.</summary>
    public int MaxPrefillTokens { get; init; } = 16384;

    /// <summary>Requests one prefill step may admit; null means no limit.</summary>
    public int? PrefillMaxRequests { get; init; }
    public SchedulePolicy Policy { get; init; } = SchedulePolicy.Fcfs;

    /// <summary>Of the random policy.</summary>
    public int RandomSeed { get; init; }

    /// <summary>Serves requests by their priority first and by the policy (fcfs or lof) second.</summary>
    public bool EnablePriorityScheduling { get; init; }

    /// <summary>Makes a lower number the higher priority.</summary>
    public bool LowPriorityValuesFirst { get; init; }

    /// <summary>A waiting request takes the place of a running one whose priority is worse by more than this.</summary>
    public int PriorityPreemptionThreshold { get; init; } = 10;
    public bool DisablePriorityPreemption { get; init; }

    /// <summary>Priority of requests that name none; null puts them behind all others.</summary>
    public int? DefaultPriority { get; init; }

    /// <summary>Refuses requests that name a priority while priority scheduling is off.</summary>
    public bool AbortOnPriorityWhenDisabled { get; init; }
    public RetractionPolicy RetractionPolicy { get; init; }

    /// <summary>Scales the share of max_new_tokens set aside for running requests.</summary>
    public double Conservativeness { get; init; } = 1.0;

    /// <summary>That share at first, in [0, 1], before it is scaled.</summary>
    public double InitialNewTokenRatio { get; init; } = 0.7;

    /// <summary>How far it falls, as a part of the first, in [0, 1].</summary>
    public double MinNewTokenRatioFactor { get; init; } = 0.14;

    /// <summary>Decode steps in which it falls that far; at least 1.</summary>
    public int NewTokenRatioDecaySteps { get; init; } = 600;

    /// <summary>Output tokens kept free for each survivor of a retraction.</summary>
    public int RetractDecodeSteps { get; init; } = 20;

    /// <summary>A request's max_new_tokens counts at most this much in admission, so that a huge one can be admitted at all.</summary>
    public int ClipMaxNewTokensEstimation { get; init; } = 4096;

    /// <summary>Output tokens after which any request ends, whatever it asked for; null means no limit of its own.</summary>
    public int? MaxNewTokensLimit { get; init; }

    /// <summary>Lets decoding requests join a prefill step.</summary>
    public bool EnableMixedChunk { get; init; }
    public RadixEvictionPolicy EvictionPolicy { get; init; }
    public bool DisableRadixCache { get; init; }

    /// <summary>Waiting requests after which newcomers are refused; null means no limit.</summary>
    public int? MaxQueuedRequests { get; init; }

    /// <summary>With lpm: requests with at most this many cached tokens are compared with the others waiting; -1 turns that off.</summary>
    public int InBatchPrefixCheckThreshold { get; init; } = 32;

    /// <summary>With lpm: a request that shares this many tokens with one that goes first waits for it; -1 turns that off.</summary>
    public int InBatchPrefixDeprioritizeThreshold { get; init; } = 32;

    /// <summary>
    /// Decode steps that are to be under way at once, each of other requests, for a pipeline whose stages work on one each; at least 1. Running
    /// requests are dealt out to them evenly.
    /// </summary>
    public int NumMicroBatches { get; init; } = 1;

    /// <summary>Requests a prefill step may admit, and a step may decode; null means no limit beyond the even share.</summary>
    public int? MaxMicroBatchSize { get; init; }

    /// <summary>Whether a request's next token may be planned while the step that samples its last one is uncommitted.</summary>
    public bool PlansAhead { get; init; } = true;

    /// <summary>Plans that may be uncommitted at once.</summary>
    public int MaxUncommitted => NumMicroBatches + (PlansAhead ? 1 : 0);

    /// <summary>Longest wait before a request is refused with 503; null means no limit.</summary>
    public TimeSpan? WaitingTimeout { get; init; }

    /// <summary>Longest time from admission before a request is ended with 503; null means no limit.</summary>
    public TimeSpan? RunningTimeout { get; init; }

    /// <summary>Future tokens a request with this much left is charged for.</summary>
    internal int ClipNewTokens(int remainingNewTokens) => Math.Clamp(remainingNewTokens, 0, ClipMaxNewTokensEstimation);

    internal bool CanPreempt => EnablePriorityScheduling && !DisablePriorityPreemption;

    /// <summary>Tokens the pool holds (max_total_num_tokens).</summary>
    public int CapacityTokens => NumPages * PageSize;

    /// <summary>Longest prompt plus output.</summary>
    public int MaxRequestLength => Math.Min(ContextLength, CapacityTokens) - 1;

    /// <summary>A prompt must be shorter than this (max_req_input_len), so that a few tokens can follow it.</summary>
    public int MaxRequestInputLength => MaxRequestLength - 5;
}
