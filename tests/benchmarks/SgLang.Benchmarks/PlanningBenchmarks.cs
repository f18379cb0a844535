using BenchmarkDotNet.Attributes;
using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Benchmarks;

/// <summary>Steps at 256 running and 10,000 waiting requests: plan the next, commit the one before, read the events. Times are of one step.</summary>
[MemoryDiagnoser]
public class PlanningBenchmarks
{
    private const int Running = 256, Waiting = 10_000, Steps = 100;

    private readonly int[] _ids = [.. Enumerable.Repeat(5, Running)];
    private readonly Random _random = new(3);
    private Scheduler _scheduler = null!;
    private StepPlan? _inFlight;
    private int _number;

    /// <summary>Outputs of 50 to 150 tokens, of which 2.5 a step end and are replaced, or endless ones.</summary>
    [Params(false, true)]
    public bool RequestsEnd { get; set; }

    [Params(200, 4000)]
    public int PromptLength { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _scheduler = new Scheduler(new SchedulerOptions
        {
            MaxRunningRequests = Running, NumPages = 262_144, PageSize = 16, ContextLength = 200_000, ChunkedPrefillSize = 8192, Conservativeness = 0.1,
        });
        Fill();
        for (int i = 0; i < 400; i++) Step();
    }

    /// <summary>Keeps the queue as long as it was, outside of what is timed.</summary>
    [IterationSetup]
    public void Fill()
    {
        while (_scheduler.Stats.NumWaiting < Waiting)
        {
            int[] prompt = new int[PromptLength];
            for (int i = 0; i < prompt.Length; i++) prompt[i] = _random.Next(100_000);
            int tokens = RequestsEnd ? 50 + (_number % 101) : 100_000;
            _scheduler.TryEnqueue(new Request($"r{_number++}", prompt, new SamplingParams { MaxNewTokens = tokens, IgnoreEos = true }), out _);
        }
    }

    [Benchmark(OperationsPerInvoke = Steps)]
    public void Plan_and_commit()
    {
        for (int i = 0; i < Steps; i++) Step();
    }

    private void Step()
    {
        StepPlan? plan = _scheduler.Plan();
        if (_inFlight is not null) _scheduler.Commit(_inFlight, _ids.AsSpan(0, _inFlight.NumSamples));
        _inFlight = plan;
        _scheduler.ClearEvents();
    }
}
