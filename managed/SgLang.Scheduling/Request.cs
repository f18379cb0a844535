using SgLang.Core;

namespace SgLang.Scheduling;

public enum RequestState : byte
{
    /// <summary>Made, not yet accepted by a scheduler.</summary>
    New,

    /// <summary>Waiting for admission, for the first time or after a retraction.</summary>
    Queued,

    /// <summary>Admitted; part of its prompt is still to be computed.</summary>
    Prefill,

    /// <summary>All of its known tokens are in an issued step; one token a step follows.</summary>
    Decode,

    Finished,
}

/// <summary>
/// One sequence being continued. Made by the owner, then changed only by the <see cref="Scheduler"/> it was given to; not thread safe.
/// </summary>
public sealed class Request
{
    private TokenBuffer _tokens;

    /// <param name="promptIds">The prompt; kept, not copied, so the caller must not change it.</param>
    /// <param name="stopTokenIds">Ids that end the output: the model's EOS ids and the request's own; empty with ignore_eos.</param>
    public Request(string rid, int[] promptIds, SamplingParams samplingParams, int[]? stopTokenIds = null, LogprobOptions? logprobs = null)
    {
        Rid = rid;
        SamplingParams = samplingParams;
        StopTokenIds = stopTokenIds ?? [];
        LogprobOptions = logprobs;
        PromptLength = promptIds.Length;
        _tokens = new TokenBuffer(promptIds);
    }

    public string Rid { get; }
    public SamplingParams SamplingParams { get; }
    public int[] StopTokenIds { get; }
    public LogprobOptions? LogprobOptions { get; }

    /// <summary>Null takes the scheduler's default; counts only with priority scheduling.</summary>
    public int? Priority { get; init; }

    /// <summary>Counts with the policy of that name; null for none.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>The name space of its prefix: it shares KV with requests of the same key only; null for the common one.</summary>
    public string? ExtraKey { get; init; }

    /// <summary>A health check's: served as any other, and left out of the counts of requests.</summary>
    public bool IsProbe { get; init; }

    /// <summary>What happened to it and when; null when nobody asks. May be read by any thread.</summary>
    public RequestTimeline? Timeline { get; init; }

    /// <summary>The runner hands out the hidden state of the prompt's last token. The scheduler never looks at it.</summary>
    public bool WantsEmbedding { get; init; }

    /// <summary>For the owner; the scheduler never looks at it.</summary>
    public object? Owner { get; set; }

    public int PromptLength { get; }
    public ReadOnlySpan<int> PromptIds => _tokens.Span[..PromptLength];

    /// <summary>Tokens sampled and committed, the stop token included. Grows at commit; <see cref="Scheduler.FinishAt"/> may cut it.</summary>
    public ReadOnlySpan<int> OutputIds => _tokens.Span[PromptLength..];
    public int OutputLength => _tokens.Count - PromptLength;

    /// <summary>Prompt followed by output.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.Span;
    public RequestState State { get; internal set; }

    /// <summary>Why it ended; null until <see cref="State"/> is finished.</summary>
    public FinishReason? Finish { get; internal set; }

    /// <summary>Most tokens to generate, after clamping to the context and to the pool on arrival.</summary>
    public int MaxNewTokens { get; internal set; }

    /// <summary>Output tokens before which no stop token may be sampled; never above <see cref="MaxNewTokens"/>.</summary>
    public int MinNewTokens { get; internal set; }

    /// <summary>Slot in the device's table of last sampled tokens while admitted, else -1.</summary>
    public int Row { get; internal set; } = -1;

    /// <summary>Prompt tokens taken from the prefix cache at first admission.</summary>
    public int CachedTokens { get; internal set; }
    public int NumRetractions { get; internal set; }

    /// <summary>
    /// First prompt position whose hidden state must still be scored; the prompt's length when no input log-probabilities are wanted or
    /// all were computed. Position p scores the token at p + 1.
    /// </summary>
    public int NextInputLogprob { get; internal set; }

    /// <summary>Time stamps of the scheduler's TimeProvider; 0 until reached.</summary>
    public long EnqueuedAt { get; internal set; }
    public long AdmittedAt { get; internal set; }
    public long FirstTokenAt { get; internal set; }
    public long FinishedAt { get; internal set; }

    /// <summary>What a <see cref="RequestList"/> counted this request as.</summary>
    internal int ListedTokens { get; set; }
    internal ref TokenBuffer TokenBuffer => ref _tokens;

    /// <summary>Pages of the sequence in order of position: ceil(KvLength / page_size) of them.</summary>
    internal PageList Pages = new();

    /// <summary>How many of <see cref="Pages"/>, from the first, belong to the prefix tree.</summary>
    internal int SharedPages { get; set; }

    /// <summary>The locked tree node that ends the shared pages; the root when there are none.</summary>
    internal RadixNode Node { get; set; } = null!;

    /// <summary>Tokens in KV once every issued step has run.</summary>
    internal int KvLength { get; set; }

    /// <summary>Tokens in KV by committed steps.</summary>
    internal int CommittedKv { get; set; }

    /// <summary>Tokens that issued, uncommitted steps will sample.</summary>
    internal int Pending { get; set; }

    /// <summary>The last step that computes tokens of it.</summary>
    internal long PlannedStep { get; set; }

    /// <summary>Output tokens known or under way.</summary>
    internal int PlannedOutput => OutputLength + Pending;

    /// <summary>Counts retractions and the finish, so that results of older plans are known as stale.</summary>
    internal int Epoch { get; set; }

    /// <summary>Tokens that may come from the prefix cache: one must be computed, and every scored position must be.</summary>
    internal int MaxPrefixLength => Math.Min(Tokens.Length - 1, NextInputLogprob < PromptLength ? NextInputLogprob : int.MaxValue);

    /// <summary>Order of acceptance; breaks ties.</summary>
    internal long Sequence { get; set; }

    /// <summary>When it joined the waiting list, the last time.</summary>
    internal long QueuedAt { get; set; }

    /// <summary>The step being planned when it was last sent back to waiting: it is not admitted again by the same plan.</summary>
    internal long RetractedBeforeStep { get; set; }

    /// <summary>When and by which step its last token was committed; 0 before the first one and after a retraction.</summary>
    internal long LastTokenAt { get; set; }
    internal long LastTokenStep { get; set; }

    /// <summary>Place in the heap of the <see cref="WaitingQueue"/>.</summary>
    internal int WaitingIndex { get; set; } = -1;
    internal RequestList? List { get; set; }
    internal Request? Previous { get; set; }
    internal Request? Next { get; set; }
}
