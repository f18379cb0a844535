using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;
using SgLang.Core;

namespace SgLang.Cli.Tests.Commands;

public class LaunchServerSettingsTests
{
    private static FlagValues Values(params string[] line)
    {
        var given = new Dictionary<string, string[]>();
        foreach (string argument in LaunchServerFlags.All.Canonicalize(line))
        {
            string[] parts = argument.Split('=', 2);
            given[parts[0]] = parts.Length == 1 ? [] : [.. given.GetValueOrDefault(parts[0], []), parts[1]];
        }
        return new FlagValues(LaunchServerFlags.All, given);
    }

    private static LaunchServerSettings Settings(params string[] line) => LaunchServerSettings.From(Values(line), () => "demo");

    private static string Error(params string[] line) => Assert.Throws<UsageException>(() => Settings(line)).Message;

    [Fact]
    public void Without_flags_the_demo_model_is_served_with_the_defaults()
    {
        LaunchServerSettings settings = Settings();
        Assert.Equal(new EngineOptions { ModelPath = "demo" }, settings.Engine);
        Assert.Equal(("127.0.0.1", 30000), (settings.Server.Host, settings.Server.Port));
        Assert.Equal(("info", "info", null), (settings.LogLevel, settings.LogLevelHttp, settings.LogFile));
        Assert.True(settings.Server.SamplingDefaultsFromModel);
        Assert.False(settings.Server.SkipServerWarmup);
    }

    [Fact]
    public void Without_a_model_and_a_demo_model_the_flag_is_asked_for()
    {
        Assert.StartsWith("--model-path is required", Assert.Throws<UsageException>(() => LaunchServerSettings.From(Values(), () => null)).Message);
    }

    [Fact]
    public void Every_flag_of_the_flight_recorder_arrives_and_its_dumps_stay_below_the_root_of_profiles()
    {
        FlightRecorderOptions flight = Settings("--flight-recorder-seconds", "5.5", "--flight-recorder-slow-step", "3", "--flight-recorder-ttft", "0.25", "--flight-recorder-dir", "/d").Engine.FlightRecorder;
        Assert.Equal(new FlightRecorderOptions { Seconds = 5.5, SlowStepRatio = 3, TtftLimitSeconds = 0.25, Directory = "/d" }, flight);
        Assert.Equal("/p", Settings("--profile-output-root", "/p").Engine.FlightRecorder.Directory);
        Assert.Contains("--flight-recorder-slow-step", Error("--flight-recorder-slow-step", "1"));
    }

    [Fact]
    public void Every_priority_flag_arrives()
    {
        EngineOptions engine = Settings(
            "--schedule-policy", "lof", "--enable-priority-scheduling", "--schedule-low-priority-values-first", "--priority-scheduling-preemption-threshold", "3",
            "--disable-priority-preemption", "--default-priority-value", "-4", "--abort-on-priority-when-disabled", "--retraction-policy", "priority",
            "--prefill-max-requests", "9").Engine;
        Assert.Equal(
            new EngineOptions
            {
                ModelPath = "demo",
                SchedulePolicy = SchedulePolicy.Lof,
                EnablePriorityScheduling = true,
                ScheduleLowPriorityValuesFirst = true,
                PrioritySchedulingPreemptionThreshold = 3,
                DisablePriorityPreemption = true,
                DefaultPriorityValue = -4,
                AbortOnPriorityWhenDisabled = true,
                RetractionPolicy = RetractionPolicy.Priority,
                PrefillMaxRequests = 9,
            },
            engine);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("0", false)]
    [InlineData("False", false)]
    [InlineData("1", true)]
    [InlineData("True", true)]
    public void A_switch_of_the_environment_is_on_or_off(string? value, bool expected) =>
        Assert.Equal(expected, LaunchServerSettings.IsOn("SGLANG_RETURN_ORIGINAL_LOGPROB", value));

    [Fact]
    public void A_switch_of_the_environment_that_is_neither_on_nor_off_is_refused() =>
        Assert.Equal("SGLANG_RETURN_ORIGINAL_LOGPROB must be true or false, got 'maybe'.",
            Assert.Throws<UsageException>(() => LaunchServerSettings.IsOn("SGLANG_RETURN_ORIGINAL_LOGPROB", "maybe")).Message);

    [Theory]
    [InlineData("fcfs", SchedulePolicy.Fcfs, false)]
    [InlineData("lpm", SchedulePolicy.Lpm, false)]
    [InlineData("lof", SchedulePolicy.Lof, false)]
    [InlineData("dfs-weight", SchedulePolicy.DfsWeight, false)]
    [InlineData("random", SchedulePolicy.Random, false)]
    [InlineData("routing-key", SchedulePolicy.RoutingKey, false)]
    [InlineData("priority", SchedulePolicy.Fcfs, true)]
    public void Every_policy_has_its_name(string name, SchedulePolicy policy, bool hasPriorities)
    {
        EngineOptions engine = Settings("--schedule-policy", name).Engine;
        Assert.Equal((policy, hasPriorities), (engine.SchedulePolicy, engine.EnablePriorityScheduling));
    }

    [Theory]
    [InlineData("lru", RadixEvictionPolicy.Lru)]
    [InlineData("lfu", RadixEvictionPolicy.Lfu)]
    [InlineData("slru", RadixEvictionPolicy.Slru)]
    [InlineData("priority", RadixEvictionPolicy.Priority)]
    [InlineData("fifo", RadixEvictionPolicy.Fifo)]
    [InlineData("filo", RadixEvictionPolicy.Filo)]
    [InlineData("mru", RadixEvictionPolicy.Mru)]
    public void Every_eviction_policy_has_its_name(string name, RadixEvictionPolicy policy) =>
        Assert.Equal(policy, Settings("--radix-eviction-policy", name).Engine.RadixEvictionPolicy);

    [Fact]
    public void Priority_flags_that_contradict_each_other_are_refused()
    {
        Assert.Contains("fcfs or lof, got 'lpm'", Error("--schedule-policy", "lpm", "--enable-priority-scheduling"));
        Assert.Contains("needs --enable-priority-scheduling", Error("--retraction-policy", "priority"));
        Assert.Contains("needs --enable-priority-scheduling", Error("--default-priority-value", "1"));
        Assert.Contains("needs --enable-priority-scheduling", Error("--schedule-low-priority-values-first"));
    }

    [Fact]
    public void Every_engine_flag_arrives()
    {
        EngineOptions engine = Settings(
            "--model", "m", "--tokenizer-path", "t", "--skip-tokenizer-init", "--load-format", "dummy", "--context-length", "4k", "--json-model-override-args", """{"a":1}""",
            "--served-model-name", "name", "--weight-version", "v2", "--dtype", "float32", "--device", "cpu", "--base-gpu-id", "1", "--num-threads", "2", "--mem-frac=0.5",
            "--max-running-requests", "7", "--max-queued-requests", "8", "--max-total-tokens", "64Ki", "--chunked-prefill-size", "64", "--max-prefill-tokens", "1k",
            "--schedule-policy", "lpm", "--schedule-conservativeness", "0.5", "--page-size", "32", "--disable-radix-cache", "--disable-overlap-schedule", "--enable-mixed-chunk",
            "--stream-interval", "3", "--decode-log-interval", "5", "--random-seed", "42", "--watchdog-timeout", "60", "--disable-cuda-graph", "--cuda-graph-max-bs", "9",
            "--disable-cuda-graph-padding", "--cuda-graph-bs", "1", "2").Engine;
        Assert.Equal([1, 2], engine.CudaGraphBatchSizes);
        engine = engine with { CudaGraphBatchSizes = null };
        Assert.Equal(
            new EngineOptions
            {
                ModelPath = "m",
                TokenizerPath = "t",
                SkipTokenizerInit = true,
                LoadFormat = LoadFormat.Dummy,
                ContextLength = 4000,
                JsonModelOverrideArgs = """{"a":1}""",
                ServedModelName = "name",
                WeightVersion = "v2",
                DType = ModelDType.Float32,
                Device = DeviceKind.Cpu,
                BaseGpuId = 1,
                NumThreads = 2,
                MemFractionStatic = 0.5,
                MaxRunningRequests = 7,
                MaxQueuedRequests = 8,
                MaxTotalTokens = 65536,
                ChunkedPrefillSize = 64,
                MaxPrefillTokens = 1000,
                SchedulePolicy = SchedulePolicy.Lpm,
                ScheduleConservativeness = 0.5,
                PageSize = 32,
                DisableRadixCache = true,
                DisableOverlapSchedule = true,
                EnableMixedChunk = true,
                StreamInterval = 3,
                DecodeLogInterval = 5,
                RandomSeed = 42,
                WatchdogTimeoutSeconds = 60,
                DisableCudaGraph = true,
                CudaGraphMaxBatchSize = 9,
                DisableCudaGraphPadding = true,
            },
            engine);
    }

    [Fact]
    public void Every_server_flag_arrives()
    {
        LaunchServerSettings settings = Settings(
            "--host", "0.0.0.0", "--port", "1234", "--api-key", "k", "--admin-api-key", "a", "--is-embedding", "--enable-metrics", "--enable-cache-report", "--skip-server-warmup",
            "--incremental-streaming-output", "--stream-response-default-include-usage", "--sampling-defaults", "openai", "--log-requests", "--log-requests-level", "3", "--log-requests-format", "json", "--log-requests-target", "stdout", "logs",
            "--enable-request-time-stats-logging", "--log-level", "warning", "--log-level-http", "error", "--log-file", "f.log");
        Assert.Equal(("0.0.0.0", 1234, "k", "a"), (settings.Server.Host, settings.Server.Port, settings.Server.ApiKey, settings.Server.AdminApiKey));
        Assert.True(settings.Server is
        {
            IsEmbedding: true, EnableMetrics: true, EnableCacheReport: true, SkipServerWarmup: true, IncrementalStreamingOutput: true, StreamResponseDefaultIncludeUsage: true,
            SamplingDefaultsFromModel: false, LogRequests: true, LogRequestsLevel: 3, LogRequestsAsJson: true, LogRequestsTargets: ["stdout", "logs"], EnableRequestTimeStatsLogging: true,
        });
        Assert.Equal(("warning", "error", "f.log"), (settings.LogLevel, settings.LogLevelHttp, settings.LogFile));
    }

    [Fact]
    public void A_layout_of_ranks_is_read()
    {
        EngineOptions engine = Settings("--tp", "4", "--pp-size", "2", "--ep", "2", "--dp", "3", "--load-balance-method", "shortest_queue", "--dist-timeout", "7",
            "--device-map", "3", "1", "--gpu-id-step", "2", "--pp-max-micro-batch-size", "5", "--pp-async-batch-depth", "1", "--enable-expert-distribution-metrics").Engine;
        Assert.True(engine.EnableExpertDistributionMetrics);
        Assert.Equal((5, 3, 15), (engine.PpMaxMicroBatchSize, engine.NumMicroBatches, engine.MaxPipelinedRequests));
        Assert.Equal((4, 2, 2, 3), (engine.TpSize, engine.PpSize, engine.EpSize, engine.DpSize));
        Assert.Equal((LoadBalanceMethod.TotalRequests, 7, 2), (engine.LoadBalanceMethod, engine.DistTimeoutSeconds, engine.GpuIdStep));
        Assert.Equal([3, 1], engine.DeviceMap);
        Assert.False(engine.AllowSharedDevice);
        Assert.True(Settings("--allow-shared-device").Engine.AllowSharedDevice);
        Assert.Equal(LoadBalanceMethod.CacheAware, Settings().Engine.LoadBalanceMethod);
    }

    [Theory]
    [InlineData("--port: must be an integer, got 'x'", "--port", "x")]
    [InlineData("--port: must be in [0, 65535], got '70000'", "--port", "70000")]
    [InlineData("--page-size: must be in [1, 65536], got '0'", "--page-size", "0")]
    [InlineData("--mem-fraction-static: must be in [0.0001, 0.9999], got '1.5'", "--mem-frac", "1.5")]
    [InlineData("--mem-fraction-static: must be a number, got 'much'", "--mem-frac", "much")]
    [InlineData("--schedule-conservativeness: must be at least 0, got '-1'", "--schedule-conservativeness", "-1")]
    [InlineData("--base-gpu-id: must be in [0, 1023], got '-1'", "--base-gpu-id", "-1")]
    [InlineData("--tp-size: must be in [1, 64], got '0'", "--tp", "0")]
    [InlineData("--ep-size: must divide --tp-size (4), got '3'", "--tp", "4", "--ep", "3")]
    [InlineData("--load-balance-method: must be one of: auto, cache_aware, round_robin, total_requests, total_tokens, shortest_queue, minimum_tokens, got 'x'", "--load-balance-method", "x")]
    [InlineData("--gpu-id-step: must be in [1, 1023], got '0'", "--gpu-id-step", "0")]
    [InlineData("--load-format: must be one of: auto, safetensors, dummy, got 'gguf'", "--load-format", "gguf")]
    [InlineData("--schedule-policy: must be one of: fcfs, lpm, lof, dfs-weight, random, routing-key, priority, got 'sjf'", "--schedule-policy", "sjf")]
    [InlineData("--context-length: must be an integer, or a number with one of k M G T, or an integer with one of Ki Mi Gi Ti, got '4K'", "--context-length", "4K")]
    [InlineData("--json-model-override-args: must be a JSON object, got '[1]'", "--json-model-override-args", "[1]")]
    [InlineData("--json-model-override-args: must be a JSON object, got '{a'", "--json-model-override-args", "{a")]
    [InlineData("--served-model-name: must not be empty or contain ':', got 'a:b'", "--served-model-name", "a:b")]
    [InlineData("--chunked-prefill-size: must be a multiple of --page-size (16), got '100'", "--chunked-prefill-size", "100")]
    [InlineData("--chunked-prefill-size: must be -1 (whole prompts) or at least 1, got '0'", "--chunked-prefill-size", "0")]
    [InlineData("--api-key: must not be empty", "--api-key", "")]
    [InlineData("--dtype half is not supported: the engine computes in bfloat16 or float32; use one of: auto, bfloat16, float, float32", "--dtype", "half")]
    [InlineData("--kv-cache-dtype fp8_e4m3 is not supported: it is not implemented yet; use auto", "--kv-cache-dtype", "fp8_e4m3")]
    [InlineData("--kv-cache-dtype bf16: the cache has the model's number format; use auto, or --dtype bfloat16 with it", "--kv-cache-dtype", "bf16")]
    [InlineData("--chat-template: must be one of chatml, gemma-it, llama-2, mistral, vicuna_v1.1 or the path of a .jinja or .json file, got 'llama-9', which does not exist", "--chat-template", "llama-9")]
    [InlineData("--node-rank: must be below --nnodes (2), got '2'", "--nnodes", "2", "--node-rank", "2", "--dist-init-addr", "a:1", "--pp-size", "2")]
    [InlineData("--nnodes: needs --dist-init-addr HOST:PORT of node 0, the same on every node", "--nnodes", "2", "--dp-size", "2")]
    [InlineData("--nnodes 2 must divide --pp-size x --dp-size, 3: each node takes as many stages.", "--nnodes", "2", "--dp-size", "3", "--dist-init-addr", "a:1")]
    [InlineData("--dp-size: must divide --tp-size (2) with --enable-dp-attention, got '4'", "--tp-size", "2", "--dp-size", "4", "--enable-dp-attention")]
    [InlineData("--enable-dp-lm-head: needs --enable-dp-attention", "--enable-dp-lm-head")]
    public void Bad_values_say_flag_value_and_rule(string message, params string[] line) => Assert.Equal(message, Error(line));

    [Theory]
    [InlineData("--quantization fp8 is not supported: it is not implemented yet; leave it out", "--quantization", "fp8")]
    [InlineData("--completion-template x is not supported: it is not implemented yet; leave it out", "--completion-template", "x")]
    [InlineData("--disaggregation-mode prefill is not supported: it is not implemented yet; leave it out or use null", "--disaggregation-mode", "prefill")]
    [InlineData("--enable-deterministic-inference is not supported: it is not implemented yet; leave it out", "--enable-deterministic-inference")]
    public void What_would_change_the_service_and_cannot_is_refused(string message, params string[] line) => Assert.Equal(message, Error(line));

    [Fact]
    public void The_one_supported_value_may_be_spelled_out()
    {
        Settings("--tp", "1", "--dp-size", "1", "--pp-size", "1", "--ep", "1", "--nnodes", "1", "--node-rank", "0", "--disaggregation-mode", "null", "--retraction-policy", "length", "--model-loader-extra-config", "{}");
    }

    [Fact]
    public void Flags_without_effect_are_accepted_and_named()
    {
        FlagValues values = Values("--attention-backend", "fa3", "--disable-prefill-cuda-graph", "--trust-remote-code", "--port", "1");
        Assert.Equal(["--trust-remote-code", "--disable-prefill-cuda-graph", "--attention-backend"], values.WithoutEffect().Select(flag => flag.Name));
    }

    [Fact]
    public void Server_info_shows_every_flag_and_hides_keys()
    {
        var arguments = Settings("--api-key", "secret", "--port", "5", "--cuda-graph-bs", "1", "2", "--enable-metrics").Server.LaunchArguments;
        Assert.Equal("***", (string?)arguments["api_key"]);
        Assert.Equal("demo", (string?)arguments["model_path"]);
        Assert.Equal(5, (long?)arguments["port"]);
        Assert.Equal("[1,2]", arguments["cuda_graph_bs"]!.ToJsonString());
        Assert.True((bool?)arguments["enable_metrics"]);
        Assert.False((bool?)arguments["log_requests"]);
        Assert.Equal(1, (long?)arguments["tp_size"]);
        Assert.True(arguments.ContainsKey("quantization"));
        Assert.Equal(LaunchServerFlags.All.All.Count, arguments.Count);
    }
}
