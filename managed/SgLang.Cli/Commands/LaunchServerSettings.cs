using SgLang.Cli.Parsing;
using SgLang.Core;
using SgLang.Server;
using SgLang.Tokenization;

namespace SgLang.Cli.Commands;

/// <summary>What launch-server's flags come to.</summary>
internal sealed record LaunchServerSettings
{
    public required EngineOptions Engine { get; init; }
    public required ServerOptions Server { get; init; }
    public required string LogLevel { get; init; }
    public required string LogLevelHttp { get; init; }
    public string? LogFile { get; init; }

    /// <param name="demoModel">Served when no model is named; null where there is none.</param>
    /// <exception cref="UsageException">Flags that contradict each other or cannot be honoured.</exception>
    public static LaunchServerSettings From(FlagValues flags, Func<string?> demoModel)
    {
        string modelPath = flags.Text("--model-path") ?? demoModel()
            ?? throw new UsageException("--model-path is required: a model directory in Hugging Face form (the demo model is not beside this program)");
        EngineOptions engine = new()
        {
            ModelPath = modelPath,
            TokenizerPath = flags.Text("--tokenizer-path"),
            SkipTokenizerInit = flags.Switch("--skip-tokenizer-init"),
            LoadFormat = flags.Text("--load-format") switch { "safetensors" => LoadFormat.Safetensors, "dummy" => LoadFormat.Dummy, _ => LoadFormat.Auto },
            ContextLength = flags.Integer("--context-length"),
            JsonModelOverrideArgs = flags.Text("--json-model-override-args")!,
            ServedModelName = ServedName(flags.Text("--served-model-name")),
            WeightVersion = flags.Text("--weight-version")!,
            ChatTemplate = Template(flags.Text("--chat-template")),
            DType = DType(flags.Text("--dtype")!),
            Device = flags.Text("--device") switch { "cuda" => DeviceKind.Cuda, "cpu" => DeviceKind.Cpu, _ => DeviceKind.Auto },
            BaseGpuId = flags.Integer("--base-gpu-id")!.Value,
            GpuIdStep = flags.Integer("--gpu-id-step")!.Value,
            DeviceMap = flags.Integers("--device-map"),
            AllowSharedDevice = flags.Switch("--allow-shared-device"),
            DisableCustomAllReduce = flags.Switch("--disable-custom-all-reduce"),
            TpSize = flags.Integer("--tp-size")!.Value,
            PpSize = flags.Integer("--pp-size")!.Value,
            PpMaxMicroBatchSize = flags.Integer("--pp-max-micro-batch-size"),
            PpAsyncBatchDepth = flags.Integer("--pp-async-batch-depth")!.Value,
            EpSize = flags.Integer("--ep-size")!.Value,
            ExpertExchange = flags.Text("--moe-a2a-backend") switch { "none" => ExpertExchangeMode.Never, "native" => ExpertExchangeMode.Always, _ => ExpertExchangeMode.Auto },
            DpSize = flags.Integer("--dp-size")!.Value,
            EnableDpAttention = flags.Switch("--enable-dp-attention"),
            NumNodes = flags.Integer("--nnodes")!.Value,
            NodeRank = flags.Integer("--node-rank")!.Value,
            DistInitAddress = flags.Text("--dist-init-addr"),
            NodeToken = Environment.GetEnvironmentVariable("SGLANG_NODE_TOKEN") is { Length: > 0 } token ? token : null,
            DistTimeoutSeconds = flags.Integer("--dist-timeout")!.Value,
            LoadBalanceMethod = flags.Text("--load-balance-method") switch
            {
                "round_robin" => LoadBalanceMethod.RoundRobin,
                "total_requests" or "shortest_queue" => LoadBalanceMethod.TotalRequests,
                "total_tokens" or "minimum_tokens" => LoadBalanceMethod.TotalTokens,
                _ => LoadBalanceMethod.CacheAware,
            },
            NumThreads = flags.Integer("--num-threads")!.Value,
            NumaNodes = flags.Integers("--numa-node"),
            MemFractionStatic = flags.Number("--mem-fraction-static"),
            MaxRunningRequests = flags.Integer("--max-running-requests"),
            MaxQueuedRequests = flags.Integer("--max-queued-requests"),
            MaxTotalTokens = flags.Integer("--max-total-tokens"),
            ChunkedPrefillSize = flags.Integer("--chunked-prefill-size"),
            MaxPrefillTokens = flags.Integer("--max-prefill-tokens")!.Value,
            PrefillMaxRequests = flags.Integer("--prefill-max-requests"),
            SchedulePolicy = flags.Text("--schedule-policy") switch
            {
                "lpm" => SchedulePolicy.Lpm,
                "lof" => SchedulePolicy.Lof,
                "dfs-weight" => SchedulePolicy.DfsWeight,
                "random" => SchedulePolicy.Random,
                "routing-key" => SchedulePolicy.RoutingKey,
                _ => SchedulePolicy.Fcfs,
            },
            EnablePriorityScheduling = flags.Switch("--enable-priority-scheduling") || flags.Text("--schedule-policy") == "priority",
            ScheduleLowPriorityValuesFirst = flags.Switch("--schedule-low-priority-values-first"),
            PrioritySchedulingPreemptionThreshold = flags.Integer("--priority-scheduling-preemption-threshold")!.Value,
            DisablePriorityPreemption = flags.Switch("--disable-priority-preemption"),
            DefaultPriorityValue = flags.Integer("--default-priority-value"),
            AbortOnPriorityWhenDisabled = flags.Switch("--abort-on-priority-when-disabled"),
            RetractionPolicy = flags.Text("--retraction-policy") == "priority" ? RetractionPolicy.Priority : RetractionPolicy.Length,
            ScheduleConservativeness = flags.Number("--schedule-conservativeness")!.Value,
            PageSize = flags.Integer("--page-size")!.Value,
            RadixEvictionPolicy = Enum.Parse<RadixEvictionPolicy>(flags.Text("--radix-eviction-policy")!, ignoreCase: true),
            DisableRadixCache = flags.Switch("--disable-radix-cache"),
            DisableOverlapSchedule = flags.Switch("--disable-overlap-schedule"),
            EnableMixedChunk = flags.Switch("--enable-mixed-chunk"),
            EnableProfileCudaGraph = flags.Switch("--enable-profile-cuda-graph"),
            EnableLayerwiseNvtxMarker = flags.Switch("--enable-layerwise-nvtx-marker"),
            EnableExpertDistributionMetrics = flags.Switch("--enable-expert-distribution-metrics"),
            NvtxRoot = flags.Text("--nvtx-root"),
            RecordStepTimes = IsOn("SGLANG_RECORD_STEP_TIME"),
            ReturnOriginalLogprobs = IsOn("SGLANG_RETURN_ORIGINAL_LOGPROB"),
            FlightRecorder = new FlightRecorderOptions
            {
                Seconds = flags.Number("--flight-recorder-seconds")!.Value,
                Directory = (flags.Text("--flight-recorder-dir") ?? flags.Text("--profile-output-root")) is { Length: > 0 } dumps ? Path.GetFullPath(dumps) : null,
                SlowStepRatio = flags.Number("--flight-recorder-slow-step"),
                TtftLimitSeconds = flags.Number("--flight-recorder-ttft"),
            },
            EnableSchedulerNvtx = IsOn("SGLANG_ENABLE_NVTX_SCHEDULER") || IsOn("SGLANG_ENABLE_NVTX"),
            DisableCudaGraph = flags.Switch("--disable-cuda-graph") || flags.Switch("--disable-decode-cuda-graph"),
            CudaGraphMaxBatchSize = flags.Integer("--cuda-graph-max-bs"),
            CudaGraphBatchSizes = flags.Integers("--cuda-graph-bs") is { Length: > 0 } sizes ? sizes : null,
            DisableCudaGraphPadding = flags.Switch("--disable-cuda-graph-padding"),
            StreamInterval = flags.Integer("--stream-interval")!.Value,
            DecodeLogInterval = flags.Integer("--decode-log-interval")!.Value,
            RandomSeed = flags.Long("--random-seed"),
            EnableGrammars = flags.Text("--grammar-backend") != "none",
            GrammarCompileTimeoutSeconds = flags.Number("--grammar-compile-timeout")!.Value,
            ConstrainedJsonDisableAnyWhitespace = flags.Switch("--constrained-json-disable-any-whitespace"),
            ConstrainedJsonWhitespacePattern = flags.Text("--constrained-json-whitespace-pattern"),
            WatchdogTimeoutSeconds = flags.Number("--watchdog-timeout")!.Value,
            SoftWatchdogTimeoutSeconds = flags.Number("--soft-watchdog-timeout"),
        };
        if (engine.ChunkedPrefillSize is 0) throw new UsageException("--chunked-prefill-size: must be -1 (whole prompts) or at least 1, got '0'");
        if (engine.ChunkedPrefillSize is > 0 and int chunk && chunk % engine.PageSize != 0)
            throw new UsageException($"--chunked-prefill-size: must be a multiple of --page-size ({engine.PageSize}), got '{chunk}'");
        if (engine.TpSize % engine.EpSize != 0) throw new UsageException($"--ep-size: must divide --tp-size ({engine.TpSize}), got '{engine.EpSize}'");
        if (engine.SharesRanks && engine.TpSize % engine.DpSize != 0)
            throw new UsageException($"--dp-size: must divide --tp-size ({engine.TpSize}) with --enable-dp-attention, got '{engine.DpSize}'");
        if (flags.Switch("--enable-dp-lm-head") && !engine.EnableDpAttention) throw new UsageException("--enable-dp-lm-head: needs --enable-dp-attention");
        if (engine.NodeRank >= engine.NumNodes) throw new UsageException($"--node-rank: must be below --nnodes ({engine.NumNodes}), got '{engine.NodeRank}'");
        if (engine.NumNodes > 1 && engine.DistInitAddress is null) throw new UsageException("--nnodes: needs --dist-init-addr HOST:PORT of node 0, the same on every node");
        if (engine.Layout.Refusal is { } refusal) throw new UsageException(refusal);
        CheckPriorities(engine, flags.Text("--schedule-policy")!);
        CheckCacheType(flags.Text("--kv-cache-dtype")!, engine.DType);

        string logLevel = flags.Text("--log-level")!;
        var server = new ServerOptions
        {
            Host = flags.Text("--host")!,
            Port = flags.Integer("--port")!.Value,
            ApiKey = NotEmpty(flags, "--api-key"),
            AdminApiKey = NotEmpty(flags, "--admin-api-key"),
            SslCertFile = NotEmpty(flags, "--ssl-certfile"),
            SslKeyFile = NotEmpty(flags, "--ssl-keyfile"),
            SslKeyFilePassword = flags.Text("--ssl-keyfile-password"),
            CorsOrigins = flags.List("--cors-origins"),
            MaxRequestBodyBytes = flags.Integer("--max-request-body-size")!.Value,
            IsEmbedding = flags.Switch("--is-embedding"),
            EnableMetrics = flags.Switch("--enable-metrics"),
            EnableCacheReport = flags.Switch("--enable-cache-report"),
            SkipServerWarmup = flags.Switch("--skip-server-warmup"),
            IncrementalStreamingOutput = flags.Switch("--incremental-streaming-output"),
            StreamResponseDefaultIncludeUsage = flags.Switch("--stream-response-default-include-usage"),
            SamplingDefaultsFromModel = flags.Text("--sampling-defaults") == "model",
            ToolCallParser = flags.Text("--tool-call-parser"),
            ReasoningParser = flags.Text("--reasoning-parser"),
            LogRequests = flags.Switch("--log-requests"),
            LogRequestsLevel = flags.Integer("--log-requests-level")!.Value,
            LogRequestsAsJson = flags.Text("--log-requests-format") == "json",
            LogRequestsTargets = flags.List("--log-requests-target"),
            EnableRequestTimeStatsLogging = flags.Switch("--enable-request-time-stats-logging"),
            ProfileOutputRoot = flags.Text("--profile-output-root") is { } root ? Path.GetFullPath(root) : null,
            LaunchArguments = Arguments(flags, modelPath),
        };
        return new LaunchServerSettings
        {
            Engine = engine,
            Server = server,
            LogLevel = logLevel,
            LogLevelHttp = flags.Text("--log-level-http") ?? logLevel,
            LogFile = flags.Text("--log-file"),
        };
    }

    /// <summary>As /server_info shows them: with the model that is served, and without the keys.</summary>
    private static System.Text.Json.Nodes.JsonObject Arguments(FlagValues flags, string modelPath)
    {
        System.Text.Json.Nodes.JsonObject arguments = flags.ToJson();
        arguments["model_path"] = modelPath;
        foreach (string key in new[] { "api_key", "admin_api_key", "ssl_keyfile_password" })
            if (arguments[key] is not null) arguments[key] = "***";
        return arguments;
    }

    /// <summary>An environment switch that is off where it is not set.</summary>
    private static bool IsOn(string variable) => IsOn(variable, Environment.GetEnvironmentVariable(variable));

    internal static bool IsOn(string variable, string? value) => value?.ToLowerInvariant() switch
    {
        "1" or "true" or "yes" or "on" => true,
        null or "" or "0" or "false" or "no" or "off" => false,
        _ => throw new UsageException($"{variable} must be true or false, got '{value}'."),
    };

    private static string? ServedName(string? name) => name is not null && (name.Contains(':') || name.Length == 0)
        ? throw new UsageException($"--served-model-name: must not be empty or contain ':', got '{name}'")
        : name;

    private static string? Template(string? given) => given is null || ChatTemplate.BuiltInNames.Contains(given) || File.Exists(given)
        ? given
        : throw new UsageException($"--chat-template: must be one of {string.Join(", ", ChatTemplate.BuiltInNames)} or the path of a .jinja or .json file, got '{given}', which does not exist");

    private static ModelDType DType(string name) => name switch
    {
        "auto" => ModelDType.Auto,
        "bfloat16" => ModelDType.BFloat16,
        "float" or "float32" => ModelDType.Float32,
        _ => throw new UsageException($"--dtype {name} is not supported: the engine computes in bfloat16 or float32; use one of: auto, bfloat16, float, float32"),
    };

    private static void CheckCacheType(string cache, ModelDType model)
    {
        if (cache is "fp8_e4m3" or "fp8_e5m2") throw new UsageException($"--kv-cache-dtype {cache} is not supported: it is not implemented yet; use auto");
        if (cache is not "auto" && model != ModelDType.BFloat16)
            throw new UsageException($"--kv-cache-dtype {cache}: the cache has the model's number format; use auto, or --dtype bfloat16 with it");
    }

    private static void CheckPriorities(EngineOptions engine, string policy)
    {
        if (engine.EnablePriorityScheduling && engine.SchedulePolicy is not (SchedulePolicy.Fcfs or SchedulePolicy.Lof))
            throw new UsageException($"--enable-priority-scheduling: needs --schedule-policy fcfs or lof, got '{policy}'");
        if (engine.EnablePriorityScheduling) return;
        if (engine.RetractionPolicy == RetractionPolicy.Priority) throw new UsageException("--retraction-policy priority: needs --enable-priority-scheduling");
        if (engine.DefaultPriorityValue is not null) throw new UsageException("--default-priority-value: needs --enable-priority-scheduling");
        if (engine.ScheduleLowPriorityValuesFirst) throw new UsageException("--schedule-low-priority-values-first: needs --enable-priority-scheduling");
    }

    private static string? NotEmpty(FlagValues flags, string name) =>
        flags.Text(name) is { Length: 0 } ? throw new UsageException($"{name}: must not be empty") : flags.Text(name);
}
