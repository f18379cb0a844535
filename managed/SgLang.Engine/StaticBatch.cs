using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Runtime;
using SgLang.Scheduling;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// A model driven by hand, one batch in lock step, without scheduler, prefix cache or server: what the benchmark of a static batch measures.
/// Greedy; end of sequence is ignored. Everything, <see cref="Load"/> and <see cref="Dispose"/> included, on one thread: where there is one rank,
/// its steps run there too.
/// <code>
/// Load -> (Begin -> Prefill+ -> Decode*)*
/// </code>
/// </summary>
public sealed class StaticBatch : IDisposable
{
    private static readonly Greedy s_greedy = new();
    private static readonly SamplingParams s_sampling = new() { Temperature = 0, IgnoreEos = true };

    /// <summary>Prompt tokens of one step; a larger prefill is several.</summary>
    private const int MostPrefillTokens = 16384;

    private readonly RankGroup _group;
    private readonly TimedRunner[] _ranks;

    /// <summary>The rank whose tokens count: the first of the last stage.</summary>
    private readonly ModelRunner _reporter;
    private readonly StaticBatchPlanner _planner;
    private readonly int _tokensPerStep;
    private readonly int[] _ids;
    private int _batch;
    private StepPlan? _plan;

    private StaticBatch(RankGroup group, TimedRunner[] ranks, LoadedRank first, EngineInfo info, Tokenizer? tokenizer, EngineProfiler profiler)
    {
        int maxBatch = first.Memory.MaxRunningRequests;
        _group = group;
        _ranks = ranks;
        _reporter = ranks[(info.PpSize - 1) * info.TpSize].Runner;
        _planner = new StaticBatchPlanner(first.Memory.NumPages, info.PageSize, maxBatch);
        _tokensPerStep = first.ChunkedPrefillSize;
        _ids = new int[maxBatch];
        Info = info;
        Tokenizer = tokenizer;
        Profiler = profiler;
    }

    public EngineInfo Info { get; }

    /// <summary>Null where the model has none; ids still work.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>Records steps into trace files, as an engine's does.</summary>
    public EngineProfiler Profiler { get; }

    /// <summary>Steps that <see cref="Prefill"/> makes of all of this batch's prompts.</summary>
    public int NumPrefillSteps { get; private set; }

    /// <summary>Seconds that the device worked on the steps of the last <see cref="Prefill"/>, by its own clock; of several, the one that took longest.</summary>
    public double PrefillDeviceSeconds { get; private set; }

    /// <summary>Bytes in use on all GPUs of this batch now, by whichever process; null on the CPU. An engine takes what it needs when it loads and captures.</summary>
    public long? DeviceBytesInUse
    {
        get
        {
            if (_reporter.Device.Kind == DeviceKind.Cpu) return null;
            long sum = 0;
            foreach (TimedRunner rank in _ranks)
            {
                DeviceInfo now = rank.Runner.Device.GetInfo();
                sum += now.TotalMemoryBytes - now.FreeMemoryBytes;
            }
            return sum;
        }
    }

    /// <summary>
    /// Operations and bytes that the model's operators needed since the last call, on all ranks, every input read and every output written once;
    /// decode batches padded for their graphs count with the padding.
    /// </summary>
    public (long Flops, long Bytes) TakeWork()
    {
        (long Flops, long Bytes) sum = default;
        foreach (TimedRunner rank in _ranks)
        {
            (long flops, long bytes) = rank.Runner.Device.Trace?.TakeWork() ?? default;
            sum = (sum.Flops + flops, sum.Bytes + bytes);
        }
        return sum;
    }

    /// <param name="maxBatch">The largest batch to come.</param>
    /// <param name="maxPrefillTokens">Most prompt tokens of a batch, over all its rows.</param>
    /// <exception cref="EngineStartException">With a message for the user.</exception>
    public static StaticBatch Load(EngineOptions options, int maxBatch, int maxPrefillTokens, Action<string, long, long>? progress = null, ILogger? logger = null)
    {
        int chunk = (Math.Min(maxPrefillTokens, MostPrefillTokens) + options.PageSize - 1) / options.PageSize * options.PageSize;
        EngineOptions sized = options with { ChunkedPrefillSize = chunk, MaxRunningRequests = maxBatch, PpMaxMicroBatchSize = null };
        EngineProfiler profiler = new(logger);
        (RankGroup group, TimedRunner[] ranks, LoadedRank first, EngineInfo info, Tokenizer? tokenizer) = EngineLoader.LoadReplica(sized, progress, logger ?? NullLogger.Instance, profiler);
        foreach (TimedRunner rank in ranks)
            if (rank.Runner.Device.Trace is { } operators) operators.CountsWork = true;
        return new StaticBatch(group, ranks, first, info, tokenizer, profiler);
    }

    /// <summary>Whether rows of this many tokens, prompt and output, fit the KV pool.</summary>
    public bool Fits(int batch, int lengthOfEach) => _planner.Fits(batch, lengthOfEach);

    /// <summary>Starts over with these prompts in an empty pool.</summary>
    public void Begin(IReadOnlyList<int[]> prompts, int maxOutput)
    {
        _batch = prompts.Count;
        NumPrefillSteps = (int)((prompts.Sum(ids => (long)ids.Length) + _tokensPerStep - 1) / _tokensPerStep);
        _planner.Begin([.. prompts.Select((ids, i) => new Request($"row-{i}", ids, s_sampling) { Owner = s_greedy })], maxOutput);
    }

    /// <summary>Computes the prompts up to position <paramref name="end"/>. Returns each row's next token once the device is done.</summary>
    public ReadOnlySpan<int> Prefill(int end = int.MaxValue)
    {
        PrefillDeviceSeconds = 0;
        while (!_planner.IsExtended(end))
        {
            PrefillDeviceSeconds += Complete(Launch(_planner.Extend(end, _tokensPerStep)));
        }
        return LastIds;
    }

    /// <summary>One more token for every row, likewise.</summary>
    public ReadOnlySpan<int> Decode()
    {
        Complete(Launch(_planner.Decode()));
        return LastIds;
    }

    /// <summary>The token drawn last for each row.</summary>
    public ReadOnlySpan<int> LastIds => _ids.AsSpan(0, _batch);

    /// <summary>
    /// As many more tokens for every row as there are entries, each step queued while the one before it runs, as a server does where the
    /// device, or a rank's thread, works by itself.
    /// </summary>
    /// <param name="seconds">Receives the time from one step's result to the next's, by the host's clock.</param>
    /// <param name="deviceSeconds">As many: the time each step took on the device, by its own clock; of several, the one that took longest.</param>
    public void Decode(Span<double> seconds, Span<double> deviceSeconds)
    {
        int ahead = _ranks.Length > 1 || _reporter.IsAsynchronous ? 1 : 0;
        StepPlan[] launched = new StepPlan[2];
        int numLaunched = 0;
        long last = Stopwatch.GetTimestamp();
        for (int done = 0; done < seconds.Length; done++)
        {
            for (; numLaunched < seconds.Length && numLaunched <= done + ahead; numLaunched++) launched[numLaunched & 1] = Launch(_planner.Decode());
            double device = Complete(launched[done & 1]);
            long now = Stopwatch.GetTimestamp();
            seconds[done] = Stopwatch.GetElapsedTime(last, now).TotalSeconds;
            deviceSeconds[done] = device;
            last = now;
        }
    }

    /// <summary>A prefill that also returns the logits the tokens were taken from: [batch][vocabulary].</summary>
    public float[][] PrefillLogits(int end = int.MaxValue) => Logits(() => Prefill(end));

    /// <summary>A decode step, likewise; replayed from a graph where one was captured.</summary>
    public float[][] DecodeLogits() => Logits(() => Decode());

    public void Dispose()
    {
        _group.Dispose();
        Profiler.Dispose();
    }

    private float[][] Logits(Action run)
    {
        float[][] rows = new float[_batch][];
        // Ranks that nobody observes draw from parts of the logits; all must do the same.
        foreach (TimedRunner rank in _ranks) rank.Runner.LogitsObserver = static (_, _, _) => { };
        _reporter.LogitsObserver = (device, first, logits) =>
        {
            int vocabulary = (int)(logits.NumElements / logits.NumRows);
            using PinnedBuffer host = new(device, logits.NumElements * sizeof(float));
            device.Copy(host.AsTensor(DType.F32, logits.NumRows, vocabulary), logits);
            device.Synchronize();
            for (int i = 0; i < logits.NumRows; i++)
                rows[_plan!.Rows[_plan.SampleIndex[first + i]]] = host.AsSpan<float>().Slice(i * vocabulary, vocabulary).ToArray();
        };
        try
        {
            run();
        }
        finally
        {
            foreach (TimedRunner rank in _ranks) rank.Runner.LogitsObserver = null;
        }
        return rows;
    }

    private StepPlan Launch(StepPlan plan)
    {
        _plan = plan;
        _group.Launch(plan, Profiler.BeforeStep(plan));
        return plan;
    }

    /// <summary>Waits for the oldest launched step, and takes its tokens. Returns its seconds on the device.</summary>
    /// <exception cref="StepFailedException">On any rank.</exception>
    private double Complete(StepPlan plan)
    {
        StepOutcome outcome = _group.Wait();
        if (outcome.Error is { } error) throw new StepFailedException(error.Message, error);
        ReadOnlySpan<int> ids = outcome.Ids(plan), rows = plan.Rows, sampled = plan.SampleIndex;
        for (int i = 0; i < ids.Length; i++) _ids[rows[sampled[i]]] = ids[i];
        Profiler.AfterStep(plan);
        double longest = 0;
        foreach (TimedRunner rank in _ranks) longest = Math.Max(longest, rank.Seconds(outcome.Slot));
        return longest;
    }

    private sealed class Greedy : ISampledRequest
    {
        public ulong Seed => 0;
        public int[] StopTokenIds => [];
    }
}
