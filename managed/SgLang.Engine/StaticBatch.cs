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
/// Greedy; end of sequence is ignored. Everything, <see cref="Load"/> and <see cref="Dispose"/> included, on one thread.
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

    private readonly ModelRunner _runner;
    private readonly StaticBatchPlanner _planner;
    private readonly StepOutcome[] _outcomes;
    private readonly int _tokensPerStep;
    private readonly int[] _ids;
    private readonly StepTimer[] _timers;
    private readonly OperatorTrace? _operators;
    private readonly DeviceContext _device;
    private int _batch;
    private StepPlan? _plan;

    private StaticBatch(LoadedRank rank, EngineInfo info, Tokenizer? tokenizer, EngineProfiler profiler)
    {
        int maxBatch = rank.Memory.MaxRunningRequests;
        _runner = rank.Runner;
        _planner = new StaticBatchPlanner(rank.Memory.NumPages, info.PageSize, maxBatch);
        _outcomes = [new StepOutcome(maxBatch, 0), new StepOutcome(maxBatch, 1)];
        _tokensPerStep = rank.ChunkedPrefillSize;
        _ids = new int[maxBatch];
        _device = rank.Runner.Device;
        _timers = [new StepTimer(_device), new StepTimer(_device)];
        _operators = _device.Trace;
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

    /// <summary>Seconds that the device worked on the steps of the last <see cref="Prefill"/>, by its own clock.</summary>
    public double PrefillDeviceSeconds { get; private set; }

    /// <summary>Bytes in use on a GPU now, by whichever process; null on the CPU. An engine takes what it needs when it loads and captures.</summary>
    public long? DeviceBytesInUse => _device.Kind == DeviceKind.Cpu ? null : _device.GetInfo() is var now ? now.TotalMemoryBytes - now.FreeMemoryBytes : null;

    /// <summary>
    /// Operations and bytes that the model's operators needed since the last call, every input read and every output written once; decode
    /// batches padded for their graphs count with the padding.
    /// </summary>
    public (long Flops, long Bytes) TakeWork() => _operators?.TakeWork() ?? default;

    /// <param name="maxBatch">The largest batch to come.</param>
    /// <param name="maxPrefillTokens">Most prompt tokens of a batch, over all its rows.</param>
    /// <exception cref="EngineStartException">With a message for the user.</exception>
    public static StaticBatch Load(EngineOptions options, int maxBatch, int maxPrefillTokens, Action<string, long, long>? progress = null, ILogger? logger = null)
    {
        int chunk = (Math.Min(maxPrefillTokens, MostPrefillTokens) + options.PageSize - 1) / options.PageSize * options.PageSize;
        EngineOptions sized = options with { ChunkedPrefillSize = chunk, MaxRunningRequests = maxBatch };
        EngineProfiler profiler = new(logger);
        (LoadedRank rank, EngineInfo info, Tokenizer? tokenizer) = EngineLoader.LoadOnThisThread(sized, progress, logger ?? NullLogger.Instance, profiler);
        if (rank.Runner.Device.Trace is { } operators) operators.CountsWork = true;
        return new StaticBatch(rank, info, tokenizer, profiler);
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
            StepPlan plan = Launch(_planner.Extend(end, _tokensPerStep));
            Complete(plan);
            PrefillDeviceSeconds += TimerOf(plan).Seconds;
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
    /// device works by itself.
    /// </summary>
    /// <param name="seconds">Receives the time from one step's result to the next's, by the host's clock.</param>
    /// <param name="deviceSeconds">As many: the time each step took on the device, by its own clock.</param>
    public void Decode(Span<double> seconds, Span<double> deviceSeconds)
    {
        int ahead = _runner.IsAsynchronous ? 1 : 0;
        StepPlan[] launched = new StepPlan[2];
        int numLaunched = 0;
        long last = Stopwatch.GetTimestamp();
        for (int done = 0; done < seconds.Length; done++)
        {
            for (; numLaunched < seconds.Length && numLaunched <= done + ahead; numLaunched++) launched[numLaunched & 1] = Launch(_planner.Decode());
            Complete(launched[done & 1]);
            long now = Stopwatch.GetTimestamp();
            seconds[done] = Stopwatch.GetElapsedTime(last, now).TotalSeconds;
            deviceSeconds[done] = TimerOf(launched[done & 1]).Seconds;
            last = now;
        }
    }

    /// <summary>A prefill that also returns the logits the tokens were taken from: [batch][vocabulary].</summary>
    public float[][] PrefillLogits(int end = int.MaxValue) => Logits(() => Prefill(end));

    /// <summary>A decode step, likewise; replayed from a graph where one was captured.</summary>
    public float[][] DecodeLogits() => Logits(() => Decode());

    public void Dispose()
    {
        foreach (StepTimer timer in _timers) timer.Dispose();
        _runner.Dispose();
        Profiler.Dispose();
    }

    private float[][] Logits(Action run)
    {
        float[][] rows = new float[_batch][];
        _runner.LogitsObserver = (device, first, logits) =>
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
            _runner.LogitsObserver = null;
        }
        return rows;
    }

    private StepPlan Launch(StepPlan plan)
    {
        _plan = plan;
        StepOutcome outcome = OutcomeOf(plan);
        outcome.Clear();
        outcome.Trace = Profiler.BeforeStep(plan);
        StepTimer timer = TimerOf(plan);
        timer.Start();
        _runner.Launch(plan, outcome);
        timer.Stop();
        return plan;
    }

    private void Complete(StepPlan plan)
    {
        StepOutcome outcome = OutcomeOf(plan);
        _runner.Complete(plan, outcome);
        ReadOnlySpan<int> ids = outcome.Ids(plan);
        for (int i = 0; i < ids.Length; i++) _ids[plan.Rows[plan.SampleIndex[i]]] = ids[i];
        TimerOf(plan).Wait();
        Profiler.AfterStep(plan);
    }

    private StepTimer TimerOf(StepPlan plan) => _timers[plan.StepId & 1];

    private StepOutcome OutcomeOf(StepPlan plan) => _outcomes[plan.StepId & 1];

    /// <summary>Device time of one step: events in its stream around what it queues.</summary>
    private sealed class StepTimer(DeviceContext device) : IDisposable
    {
        private readonly DeviceEvent _start = new(device), _stop = new(device);

        public void Start() => _start.Record();

        public void Stop() => _stop.Record();

        public void Wait() => _stop.Synchronize();

        /// <summary>Of a step that has been waited for.</summary>
        public double Seconds => _stop.MicrosecondsSince(_start) / 1e6;

        public void Dispose()
        {
            _start.Dispose();
            _stop.Dispose();
        }
    }

    private sealed class Greedy : ISampledRequest
    {
        public ulong Seed => 0;
        public int[] StopTokenIds => [];
    }
}
