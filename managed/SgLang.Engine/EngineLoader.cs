using System.Diagnostics;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Grammars;
using SgLang.Interop;
using SgLang.Models;
using SgLang.Profiling;
using SgLang.Runtime;
using SgLang.Scheduling;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>From options to the parts of an engine: tokenizer, model on its rank's thread, memory plan, scheduler limits.</summary>
internal static partial class EngineLoader
{
    private const string AllowLongerContext = "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN";
    private const int MaxRandomSeed = 1 << 30;

    /// <summary>Every failure is an <see cref="EngineStartException"/> with a message for the user.</summary>
    /// <param name="nodes">Null for a world of one node.</param>
    public static EngineParts Load(EngineOptions options, Action<string, long, long>? progress, ILogger logger, INodes? nodes = null) =>
        Guarded(() => LoadParts(options, progress, logger, nodes));

    /// <summary>The ranks of a node that schedules nothing, and what compiles the grammars of their requests.</summary>
    public static (RankWorld World, GrammarStore Grammars, NodeWindow Window) LoadNode(EngineOptions options, Action<string, long, long>? progress, ILogger logger, INodes nodes) => Guarded(() =>
    {
        (ModelConfig config, int contextLength, Tokenizer? tokenizer, _) = ReadModel(options, logger);
        EngineEnvironment environment = EngineEnvironment.Read(Environment.GetEnvironmentVariable);
        EngineProfiler profiler = new(logger) { MaxMemoryChanges = environment.MaxMemoryChanges, AttachesAtStart = environment.AttachesProfilerAtStart };
        profiler.GraphCapture = GraphCaptureProfile.For(options, Environment.GetEnvironmentVariable, profiler);
        RankWorld world = RankWorld.Load(options, config, contextLength, progress, warning => Log.ModelWarning(logger, warning), profiler, nodes);
        return (world, new GrammarStore(options, tokenizer, config.VocabSize), new NodeWindow(profiler));
    });

    /// <summary>
    /// The ranks of one replica for a caller that drives them by hand: a single one runs on the calling thread, which must be the one that uses and
    /// disposes it, several on threads of their own.
    /// </summary>
    public static (RankGroup Group, TimedRunner[] Runners, LoadedRank First, EngineInfo Info, Tokenizer? Tokenizer) LoadReplica(
        EngineOptions options, Action<string, long, long>? progress, ILogger logger, EngineProfiler profiler) => Guarded(() =>
    {
        long started = Stopwatch.GetTimestamp();
        (ModelConfig config, int contextLength, Tokenizer? tokenizer, _) = ReadModel(options, logger);
        if (options.DpSize > 1) throw new EngineStartException($"a static batch runs on one replica, and replicas share nothing: leave --dp-size at 1, got {options.DpSize}.");
        if (options.NumNodes > 1) throw new EngineStartException($"a static batch runs on one node: leave --nnodes at 1, got {options.NumNodes}, or measure through a server.");
        profiler.GraphCapture = GraphCaptureProfile.For(options, Environment.GetEnvironmentVariable, profiler);
        TimedRunner[] runners = new TimedRunner[options.TpSize * options.PpSize];
        RankGroup group;
        LoadedRank[] ranks;
        if (runners.Length == 1)
        {
            ranks = [LoadedRank.Load(options, config, contextLength, progress, warning => Log.ModelWarning(logger, warning), RankSetup.Single(options), profiler)];
            runners[0] = new TimedRunner(ranks[0].Runner, options.MaxStepsInFlight);
            group = new RankGroup([new CallerRank(runners[0])], ranks[0].Memory.MaxRunningRequests);
        }
        else
        {
            RankWorld world = RankWorld.Load(options, config, contextLength, progress, warning => Log.ModelWarning(logger, warning), profiler,
                wrap: (rank, runner) => runners[rank] = new TimedRunner(runner, options.MaxStepsInFlight));
            ranks = world.Ranks;
            group = world.Replicas[0];
        }
        return (group, runners, ranks[0], Describe(options, config, contextLength, contextLength - 1, ranks, started), tokenizer);
    });

    private static T Guarded<T>(Func<T> load)
    {
        try
        {
            return load();
        }
        catch (Exception error) when (error is OutOfDeviceMemoryException or SglException { Status: SglStatus.OutOfMemory })
        {
            throw new EngineStartException($"{error.Message}. Lower --mem-fraction-static, --max-total-tokens, --chunked-prefill-size, --max-running-requests or " +
                                           "--cuda-graph-max-bs, or free memory of the device.", error);
        }
        catch (Exception error) when (error is ModelConfigException or WeightException or TokenizerException or ChatTemplateException
                                          or SglException or SglLibraryException or IOException or UnauthorizedAccessException)
        {
            throw new EngineStartException(error.Message, error);
        }
    }

    private static EngineParts LoadParts(EngineOptions options, Action<string, long, long>? progress, ILogger logger, INodes? nodes)
    {
        long started = Stopwatch.GetTimestamp();
        EngineEnvironment environment = EngineEnvironment.Read(Environment.GetEnvironmentVariable);
        (ModelConfig config, int contextLength, Tokenizer? tokenizer, ChatTemplate? template) = ReadModel(options, logger);
        EngineProfiler profiler = new(logger, options.FlightRecorder) { MaxMemoryChanges = environment.MaxMemoryChanges, AttachesAtStart = environment.AttachesProfilerAtStart };
        profiler.GraphCapture = GraphCaptureProfile.For(options, Environment.GetEnvironmentVariable, profiler);

        RankWorld world = RankWorld.Load(options, config, contextLength, progress, warning => Log.ModelWarning(logger, warning), profiler, nodes);
        profiler.Nodes = nodes?.Profiles;
        LoadedRank loaded = world.Ranks[0];
        MemoryPlan memory = loaded.Memory;
        if (options.Device == DeviceKind.Auto && loaded.Device.Kind == DeviceKind.Cpu)
            Log.RunningOnCpu(logger, DeviceContext.UnavailableReason(DeviceKind.Cuda));

        SchedulerOptions limits = new()
        {
            MaxRunningRequests = memory.MaxRunningRequests,
            NumPages = memory.NumPages,
            PageSize = options.PageSize,
            ContextLength = contextLength,
            VocabularySize = config.VocabSize,
            ChunkedPrefillSize = loaded.ChunkedPrefillSize,
            MaxPrefillTokens = options.MaxPrefillTokens,
            PrefillMaxRequests = options.PrefillMaxRequests,
            Policy = options.SchedulePolicy,
            RandomSeed = (int)(options.RandomSeed ?? 0),
            EnablePriorityScheduling = options.EnablePriorityScheduling,
            LowPriorityValuesFirst = options.ScheduleLowPriorityValuesFirst,
            PriorityPreemptionThreshold = options.PrioritySchedulingPreemptionThreshold,
            DisablePriorityPreemption = options.DisablePriorityPreemption,
            DefaultPriority = options.DefaultPriorityValue,
            AbortOnPriorityWhenDisabled = options.AbortOnPriorityWhenDisabled,
            RetractionPolicy = options.RetractionPolicy,
            Conservativeness = options.ScheduleConservativeness,
            EnableMixedChunk = options.EnableMixedChunk,
            EvictionPolicy = options.RadixEvictionPolicy,
            DisableRadixCache = options.DisableRadixCache,
            NumMicroBatches = options.NumMicroBatches,
            MaxMicroBatchSize = options.PpMaxMicroBatchSize,
            PlansAhead = !options.DisableOverlapSchedule,
            MaxQueuedRequests = options.MaxQueuedRequests,
            InBatchPrefixCheckThreshold = environment.InBatchPrefixCheckThreshold,
            InBatchPrefixDeprioritizeThreshold = environment.InBatchPrefixDeprioritizeThreshold,
            WaitingTimeout = environment.WaitingTimeout,
            RunningTimeout = environment.RunningTimeout,
            MaxNewTokensLimit = environment.MaxNewTokensLimit,
            InitialNewTokenRatio = environment.InitialNewTokenRatio,
            MinNewTokenRatioFactor = environment.MinNewTokenRatioFactor,
            NewTokenRatioDecaySteps = environment.NewTokenRatioDecaySteps,
            RetractDecodeSteps = environment.RetractDecodeSteps,
            ClipMaxNewTokensEstimation = environment.ClipMaxNewTokensEstimation,
        };
        HashSet<int> eos = [.. config.EosTokenIds];
        if (tokenizer?.EosTokenId is { } eosOfTokenizer && eosOfTokenizer < config.VocabSize) eos.Add(eosOfTokenizer);
        return new EngineParts
        {
            Options = options,
            SchedulerOptions = limits,
            ForceStreamInterval = environment.ForceStreamInterval,
            Replicas = world.Replicas,
            Experts = world.ExpertCounters(options.DpSize),
            Exchanges = world.ExpertExchanges(options.DpSize),
            Graphs = world.Ranks[0].Graphs,
            ModelDefaults = Defaults(config.Generation),
            EosTokenIds = [.. eos],
            Profiler = profiler,
            Tokenizer = tokenizer,
            ChatTemplate = template,
            Info = Describe(options, config, contextLength, limits.MaxRequestInputLength, world.Ranks, started),
        };
    }

    /// <summary>What can be read, and refused, before a device is touched.</summary>
    private static (ModelConfig, int ContextLength, Tokenizer?, ChatTemplate?) ReadModel(EngineOptions options, ILogger logger)
    {
        CheckOptions(options);
        ModelConfig config = ModelConfig.Load(options.ModelPath, options.JsonModelOverrideArgs);
        int contextLength = ContextLength(options, config);
        (Tokenizer? tokenizer, ChatTemplate? template) = LoadTokenizer(options, logger);
        return (config, contextLength, tokenizer, template);
    }

    private static EngineInfo Describe(EngineOptions options, ModelConfig config, int contextLength, int maxInputLength, LoadedRank[] ranks, long started) => new()
    {
        ModelPath = options.ModelPath,
        ModelName = options.ModelName,
        ModelType = config.ModelType,
        Architectures = config.Architectures,
        VocabularySize = config.VocabSize,
        HiddenSize = config.HiddenSize,
        ContextLength = contextLength,
        MaxRequestInputLength = maxInputLength,
        MaxTotalTokens = ranks[0].Memory.MaxTotalTokens,
        MaxRunningRequests = ranks[0].Memory.MaxRunningRequests,
        PageSize = options.PageSize,
        Device = $"{ranks[0].Device.Name} ({ranks[0].Device.Isa})",
        DType = ranks[0].DType.Name(),
        NumThreads = ranks.Sum(rank => rank.NumThreads),
        WeightBytes = ranks.Sum(rank => rank.WeightBytes),
        KvCacheBytes = ranks.Sum(rank => rank.KvCacheBytes),
        TpSize = options.TpSize,
        PpSize = options.PpSize,
        EpSize = options.EpSize,
        DpSize = options.DpSize,
        GraphBytes = ranks.Sum(rank => rank.GraphBytes),
        LargestGraphBatch = ranks[0].Graphs.Largest,
        FreeMemoryBytes = ranks[0].FreeMemoryBytes,
        RandomSeed = options.RandomSeed ?? Random.Shared.Next(MaxRandomSeed),
        LoadTime = Stopwatch.GetElapsedTime(started),
    };

    private static void CheckOptions(EngineOptions options)
    {
        if (options.ConstrainedJsonWhitespacePattern is { } blanks && GrammarCompiler.RegexError(blanks) is { } wrong)
            throw new EngineStartException($"--constrained-json-whitespace-pattern '{blanks}' is no regular expression that is supported: {wrong}.");
        if (options.PageSize < 1) throw new EngineStartException($"--page-size must be at least 1, got {options.PageSize}.");
        if (options.MaxPrefillTokens < 1) throw new EngineStartException($"--max-prefill-tokens must be at least 1, got {options.MaxPrefillTokens}.");
        if (options.ChunkedPrefillSize is { } chunk && chunk != -1 && (chunk < 1 || chunk % options.PageSize != 0))
            throw new EngineStartException($"--chunked-prefill-size must be -1 or a multiple of --page-size ({options.PageSize}), got {chunk}.");
        if (!(options.ScheduleConservativeness >= 0))
            throw new EngineStartException($"--schedule-conservativeness must be at least 0, got {options.ScheduleConservativeness}.");
        if (options.EnablePriorityScheduling && options.SchedulePolicy is not (SchedulePolicy.Fcfs or SchedulePolicy.Lof))
            throw new EngineStartException($"--enable-priority-scheduling needs the policy fcfs or lof, got {options.SchedulePolicy}.");
        if (options.RetractionPolicy == RetractionPolicy.Priority && !options.EnablePriorityScheduling)
            throw new EngineStartException("--retraction-policy priority needs --enable-priority-scheduling.");
        if (options.PrefillMaxRequests is < 1) throw new EngineStartException($"--prefill-max-requests must be at least 1, got {options.PrefillMaxRequests}.");
        if (options.MaxQueuedRequests is < 0) throw new EngineStartException($"--max-queued-requests must be at least 0, got {options.MaxQueuedRequests}.");
        if (options.StreamInterval < 1) throw new EngineStartException($"--stream-interval must be at least 1, got {options.StreamInterval}.");
        if (options.NumThreads < 0) throw new EngineStartException($"--num-threads must be at least 0 (0: one per physical core), got {options.NumThreads}.");
        CheckSize("--tp-size", options.TpSize);
        CheckSize("--pp-size", options.PpSize);
        CheckSize("--ep-size", options.EpSize);
        CheckSize("--dp-size", options.DpSize);
        if (options.SharesRanks)
        {
            if (options.TpSize % options.DpSize != 0)
                throw new EngineStartException($"--dp-size must divide --tp-size, {options.TpSize}, with --enable-dp-attention, got {options.DpSize}: each replica attends with --tp-size / --dp-size ranks.");
            if (options.PpSize > 1) throw new EngineStartException($"--pp-size must be 1 with --enable-dp-attention, got {options.PpSize}.");
            if (options.NumNodes > 1) throw new EngineStartException($"--nnodes must be 1 with --enable-dp-attention, got {options.NumNodes}: its replicas meet in every layer.");
        }
        CheckSize("--nnodes", options.NumNodes);
        if (options.NodeRank < 0 || options.NodeRank >= options.NumNodes) throw new EngineStartException($"--node-rank must be in [0, {options.NumNodes - 1}], got {options.NodeRank}.");
        if (options.Layout.Refusal is { } refusal) throw new EngineStartException(refusal);
        if (options.RandomSeed is < 0 or > MaxRandomSeed)
            throw new EngineStartException($"--random-seed must be in [0, {MaxRandomSeed}], got {options.RandomSeed}.");
    }

    private static void CheckSize(string option, int size)
    {
        const int Most = 64;
        if (size is < 1 or > Most) throw new EngineStartException($"{option} must be in [1, {Most}], got {size}.");
    }

    private static int ContextLength(EngineOptions options, ModelConfig config)
    {
        if (options.ContextLength is not { } wanted) return config.ContextLength;
        // The scheduler keeps six tokens of a context for itself (spec/scheduler.md 1), and a prompt needs one.
        const int Smallest = 8;
        if (wanted < Smallest) throw new EngineStartException($"--context-length must be at least {Smallest}, got {wanted}.");
        if (wanted > config.ContextLength && Environment.GetEnvironmentVariable(AllowLongerContext) is not ("1" or "true" or "True"))
            throw new EngineStartException(
                $"--context-length {wanted} is longer than the model's {config.ContextLength}; outputs would be wrong. Lower it, or set {AllowLongerContext}=1.");
        return wanted;
    }

    private static (Tokenizer?, ChatTemplate?) LoadTokenizer(EngineOptions options, ILogger logger)
    {
        if (options.SkipTokenizerInit) return (null, null);
        string directory = options.TokenizerPath ?? options.ModelPath;
        if (options.TokenizerPath is null && !Tokenizer.IsIn(directory))
        {
            Log.NoTokenizer(logger, directory);
            return (null, null);
        }
        return (Tokenizer.Load(directory), ChatTemplate.Load(directory, options.ChatTemplate));
    }

    private static SamplingParams Defaults(GenerationConfig generation)
    {
        SamplingParams none = new();
        return none with
        {
            Temperature = generation.Temperature ?? none.Temperature,
            TopP = generation.TopP ?? none.TopP,
            TopK = generation.TopK is null or 0 ? none.TopK : generation.TopK.Value,
            MinP = generation.MinP ?? none.MinP,
            RepetitionPenalty = generation.RepetitionPenalty ?? none.RepetitionPenalty,
        };
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Information, "No GPU is used ({Reason}); running on the CPU.")]
        public static partial void RunningOnCpu(ILogger logger, string reason);

        [LoggerMessage(21, LogLevel.Warning, "{Directory} has neither tokenizer.json nor tokenizer.model: only token ids are accepted and returned.")]
        public static partial void NoTokenizer(ILogger logger, string directory);

        [LoggerMessage(22, LogLevel.Warning, "{Warning}")]
        public static partial void ModelWarning(ILogger logger, string warning);
    }
}
