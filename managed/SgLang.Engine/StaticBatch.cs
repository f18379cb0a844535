using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Runtime;
using SgLang.Scheduling;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// A model driven by hand, one batch in lock step, without scheduler, prefix cache or server: what the benchmark of a static batch measures.
/// Greedy; end of sequence is ignored. Everything, <see cref="Load"/> and <see cref="Dispose"/> included, on one thread.
/// <code>
/// Load -> (Begin -> Prefill+ -> Decode*)*
/// </code>
/// </summary>
public sealed class StaticBatch : IDisposable
{
    private static readonly Greedy s_greedy = new();
    private static readonly SamplingParams s_sampling = new() { Temperature = 0, IgnoreEos = true };

    private readonly ModelRunner _runner;
    private readonly StaticBatchPlanner _planner;
    private readonly StepOutcome _outcome;
    private int _batch;

    private StaticBatch(LoadedRank rank, EngineInfo info, Tokenizer? tokenizer)
    {
        _runner = rank.Runner;
        _planner = new StaticBatchPlanner(rank.Memory.NumPages, info.PageSize, rank.Memory.MaxRunningRequests);
        _outcome = new StepOutcome(rank.Memory.MaxRunningRequests);
        Info = info;
        Tokenizer = tokenizer;
    }

    public EngineInfo Info { get; }

    /// <summary>Null where the model has none; ids still work.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <param name="maxBatch">The largest batch to come.</param>
    /// <param name="maxPrefillTokens">Most prompt tokens of a batch, over all its rows: a prefill is one step, whatever its size.</param>
    /// <exception cref="EngineStartException">With a message for the user.</exception>
    public static StaticBatch Load(EngineOptions options, int maxBatch, int maxPrefillTokens, Action<string, long, long>? progress = null, ILogger? logger = null)
    {
        EngineOptions sized = options with { ChunkedPrefillSize = -1, MaxPrefillTokens = maxPrefillTokens, MaxRunningRequests = maxBatch };
        (LoadedRank rank, EngineInfo info, Tokenizer? tokenizer) = EngineLoader.LoadOnThisThread(sized, progress, logger ?? NullLogger.Instance);
        return new StaticBatch(rank, info, tokenizer);
    }

    /// <summary>Whether rows of this many tokens, prompt and output, fit the KV pool.</summary>
    public bool Fits(int batch, int lengthOfEach) => _planner.Fits(batch, lengthOfEach);

    /// <summary>Starts over with these prompts in an empty pool.</summary>
    public void Begin(IReadOnlyList<int[]> prompts, int maxOutput)
    {
        _batch = prompts.Count;
        _planner.Begin([.. prompts.Select((ids, i) => new Request($"row-{i}", ids, s_sampling) { Owner = s_greedy })], maxOutput);
    }

    /// <summary>Computes the prompts up to position <paramref name="end"/> in one step. Returns each row's next token once the device is done.</summary>
    public ReadOnlySpan<int> Prefill(int end = int.MaxValue) => Run(_planner.Extend(end));

    /// <summary>One more token for every row, likewise.</summary>
    public ReadOnlySpan<int> Decode() => Run(_planner.Decode());

    /// <summary>A prefill that also returns the logits the tokens were taken from: [batch][vocabulary].</summary>
    public float[][] PrefillLogits(int end = int.MaxValue)
    {
        float[][] rows = new float[_batch][];
        _runner.LogitsObserver = (device, logits) =>
        {
            int vocabulary = (int)(logits.NumElements / logits.NumRows);
            using PinnedBuffer host = new(device, logits.NumElements * sizeof(float));
            device.Copy(host.AsTensor(DType.F32, logits.NumRows, vocabulary), logits);
            device.Synchronize();
            for (int i = 0; i < rows.Length; i++) rows[i] = host.AsSpan<float>().Slice(i * vocabulary, vocabulary).ToArray();
        };
        try
        {
            Prefill(end);
        }
        finally
        {
            _runner.LogitsObserver = null;
        }
        return rows;
    }

    public void Dispose() => _runner.Dispose();

    private ReadOnlySpan<int> Run(StepPlan plan)
    {
        _outcome.Clear();
        _runner.Run(plan, _outcome);
        return _outcome.Ids(plan);
    }

    private sealed class Greedy : ISampledRequest
    {
        public ulong Seed => 0;
        public int[] StopTokenIds => [];
    }
}
