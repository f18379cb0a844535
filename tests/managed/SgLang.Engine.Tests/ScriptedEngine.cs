using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

/// <summary>An engine whose model is a function, so that only the engine itself is exercised.</summary>
internal static class ScriptedEngine
{
    public const int VocabularySize = 1000;

    public static InferenceEngine Start(Action<StepPlan, StepOutcome> run, EngineOptions? options = null, int numPages = 4096, int maxRunning = 64,
        ILogger? logger = null, GrammarStore? grammars = null, int forceStreamInterval = 50) =>
        Start([run], options, numPages, maxRunning, logger, grammars, forceStreamInterval);

    /// <param name="runs">What each replica does.</param>
    public static InferenceEngine Start(Action<StepPlan, StepOutcome>[] runs, EngineOptions? options = null, int numPages = 4096, int maxRunning = 64,
        ILogger? logger = null, GrammarStore? grammars = null, int forceStreamInterval = 50)
    {
        options ??= new EngineOptions { ModelPath = "scripted", PageSize = 16 };
        SchedulerOptions limits = new()
        {
            MaxRunningRequests = maxRunning,
            NumPages = numPages,
            PageSize = options.PageSize,
            ContextLength = 4096,
            VocabularySize = VocabularySize,
            ChunkedPrefillSize = 2048,
            PlansAhead = !options.DisableOverlapSchedule,
            MaxQueuedRequests = options.MaxQueuedRequests,
            DisableRadixCache = options.DisableRadixCache,
        };
        RankThread[] ranks = [.. runs.Select(run => new RankThread("scripted", () => new Runner(run)))];
        foreach (RankThread rank in ranks) rank.WaitUntilStarted();
        return new InferenceEngine(new EngineParts
        {
            Options = options,
            Profiler = new EngineProfiler(logger, options.FlightRecorder),
            Grammars = grammars,
            SchedulerOptions = limits,
            ForceStreamInterval = forceStreamInterval,
            Replicas = [.. ranks.Select(rank => new RankGroup([rank], maxRunning))],
            ModelDefaults = new SamplingParams(),
            EosTokenIds = [],
            Info = new EngineInfo
            {
                ModelPath = "scripted", ModelName = "scripted", ModelType = "scripted", Architectures = [], VocabularySize = VocabularySize,
                ContextLength = limits.ContextLength, MaxRequestInputLength = limits.MaxRequestInputLength, MaxTotalTokens = limits.CapacityTokens,
                MaxRunningRequests = maxRunning, PageSize = limits.PageSize, Device = "none", DType = "none", NumThreads = 1, WeightBytes = 0,
                KvCacheBytes = 0, RandomSeed = 1, LoadTime = TimeSpan.Zero,
            },
        }, logger ?? NullLogger.Instance);
    }

    public static GenerationRequest Request(string rid, int promptLength = 8, int maxNewTokens = 16) => new()
    {
        Rid = rid,
        InputIds = [.. Enumerable.Range(1, promptLength)],
        Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = maxNewTokens, IgnoreEos = true },
    };

    private sealed class Runner(Action<StepPlan, StepOutcome> run) : IModelRunner
    {
        public void Launch(StepPlan plan, StepOutcome outcome) => run(plan, outcome);

        public void Complete(StepPlan plan, StepOutcome outcome)
        {
        }

        public void Dispose()
        {
        }
    }
}
