using System.Diagnostics;
using Prometheus;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>
/// Everything /metrics shows. Gauges and totals of the engine are read from its snapshot when scraped; histograms and HTTP counts are fed
/// as requests pass. The library knows no colon in names, so <see cref="MetricsText"/> puts it in when the text is written.
/// </summary>
internal sealed class ServerMetrics
{
    private static readonly double[] s_firstTokenBuckets = [.1, .2, .4, .6, .8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400];
    private static readonly double[] s_latencyBuckets = [.. s_firstTokenBuckets, 600, 1200, 1800, 2400];

    private static readonly double[] s_betweenTokensBuckets =
        [.002, .004, .006, .008, .010, .015, .020, .025, .030, .035, .040, .060, .080, .1, .2, .4, .6, .8, 1, 2, 4, 6, 8];

    private static readonly double[] s_tokenBuckets =
    [
        100, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000, 12500, 15000, 17500, 20000, 22500, 25000, 27500, 30000,
        35000, 40000, 60000, 80000, 100000, 200000, 300000, 400000, 600000, 800000, 1000000, 1100000,
    ];

    private static readonly double[] s_stageBuckets = Histogram.ExponentialBuckets(0.001, 1.62, 30);

    private static readonly string[] s_httpLabels = ["model_name", "engine_type"];
    private static readonly string[] s_schedulerLabels = ["model_name", "engine_type", "tp_rank", "pp_rank", "moe_ep_rank"];

    // Of what each replica has its own of: with one replica there is no dp_rank.
    private readonly string[] _replicaLabels;
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly MetricFactory _factory;
    private readonly string _model;
    private readonly Histogram.Child _firstToken;
    private readonly Histogram.Child _betweenTokens;
    private readonly Histogram.Child _latency;
    private readonly Histogram.Child _promptTokens;
    private readonly Histogram.Child _uncachedPromptTokens;
    private readonly Histogram.Child _generationTokens;
    private readonly Histogram _queueTime;
    private readonly Histogram _stages;
    private readonly Histogram.Child _eviction;
    private readonly Counter.Child _requests;
    private readonly Counter.Child _aborted;
    private readonly Counter.Child _prompt;
    private readonly Counter.Child _generated;
    private readonly Counter.Child _cached;
    private readonly Counter _httpRequests;
    private readonly Counter _httpResponses;
    private readonly Gauge.Child _httpActive;

    /// <param name="stats">The engine's snapshot, read at every scrape.</param>
    /// <param name="replicaStats">Those of its replicas, likewise.</param>
    /// <param name="experts">Loads of the replicas' experts, likewise; null for none.</param>
    public ServerMetrics(EngineInfo info, Func<EngineStats> stats, Func<IReadOnlyList<EngineStats>> replicaStats, TimeSpan startupTime,
        Func<IReadOnlyList<ExpertLoad>>? experts = null)
    {
        _replicaLabels = info.DpSize > 1 ? [.. s_schedulerLabels, "dp_rank"] : s_schedulerLabels;
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _model = info.ModelName;
        _firstToken = HttpHistogram("time_to_first_token_seconds", "Time from receipt to the first token, of streamed requests.", s_firstTokenBuckets);
        _betweenTokens = HttpHistogram("inter_token_latency_seconds", "Time between tokens, of streamed requests.", s_betweenTokensBuckets);
        _latency = HttpHistogram("e2e_request_latency_seconds", "Time from submission to the last token.", s_latencyBuckets);
        _promptTokens = HttpHistogram("prompt_tokens_histogram", "Prompt tokens of a request.", s_tokenBuckets);
        _uncachedPromptTokens = HttpHistogram("uncached_prompt_tokens_histogram", "Prompt tokens that were not in the prefix cache.", s_tokenBuckets);
        _generationTokens = HttpHistogram("generation_tokens_histogram", "Tokens generated for a request.", s_tokenBuckets);
        _queueTime = SchedulerHistogram("queue_time_seconds", "Time from arrival at the scheduler to the first step.", s_latencyBuckets, _replicaLabels);
        _stages = SchedulerHistogram("per_stage_req_latency_seconds", "Time of a request's stages.", s_stageBuckets, [.. _replicaLabels, "stage"]);
        _eviction = SchedulerHistogram("eviction_duration_seconds", "Time of making room by dropping cached prefixes.", s_stageBuckets, s_schedulerLabels).WithLabels(_model, "unified", "0", "0", "0");
        _requests = HttpCounter("num_requests_total", "Requests that ended.");
        _aborted = HttpCounter("num_aborted_requests_total", "Requests that ended early: aborted, refused by a full queue, or left by their client.");
        _prompt = HttpCounter("prompt_tokens_total", "Prompt tokens of requests that ended.");
        _generated = HttpCounter("generation_tokens_total", "Tokens generated for requests that ended.");
        _cached = HttpCounter("cached_tokens_total", "Prompt tokens taken from the prefix cache, of requests that ended.", ("cache_source", "device"));
        _httpRequests = _factory.CreateCounter("sglang_http_requests_total", "HTTP requests received.", [.. s_httpLabels, "endpoint", "method"]);
        _httpResponses = _factory.CreateCounter("sglang_http_responses_total", "HTTP requests answered.", [.. s_httpLabels, "endpoint", "status_code", "method"]);
        _httpActive = _factory.CreateGauge("sglang_http_requests_active", "HTTP requests under way.", s_httpLabels).WithLabels(_model, "unified");

        Constant("max_total_num_tokens", "Tokens the KV pool holds.", info.MaxTotalTokens);
        Constant("page_size", "Tokens of a KV page.", info.PageSize);
        Constant("num_pages", "Pages of the KV pool.", info.MaxTotalTokens / info.PageSize);
        Constant("context_len", "Longest prompt and answer together.", info.ContextLength);
        Constant("engine_startup_time", "Seconds from start to readiness for requests.", startupTime.TotalSeconds);
        Constant("startup_available_gpu_memory_gb", "Memory of the device that was free once everything was loaded.", info.FreeMemoryBytes / (double)(1L << 30));
        Constant("engine_load_weights_time", "Seconds of loading the model.", info.LoadTime.TotalSeconds);
        Gauge.Child grammar = SchedulerGauge("num_grammar_queue_reqs", "Requests waiting for a grammar.");
        Action<EngineStats>[] replicas = [.. Enumerable.Range(0, info.DpSize).Select(rank => RegisterReplica(info, rank))];
        _registry.AddBeforeCollectCallback(() =>
        {
            grammar.Set(stats().NumGrammarQueue);
            IReadOnlyList<EngineStats> now = replicaStats();
            for (int rank = 0; rank < replicas.Length; rank++) replicas[rank](now[rank]);
        });
        if (experts is not null) ExpertMetrics.Register(_registry, _model, experts);
        Grammars = new GrammarMetrics(_registry, _model, stats);
    }

    public GrammarMetrics Grammars { get; }

    public void FirstToken(double seconds) => _firstToken.Observe(seconds);

    public void BetweenTokens(double seconds, int tokens) => _betweenTokens.Observe(seconds, tokens);

    /// <param name="received">Time stamp of the HTTP request's arrival.</param>
    public void Finished(Generation generation, bool isAborted, long received)
    {
        _requests.Inc();
        if (isAborted) _aborted.Inc();
        _prompt.Inc(generation.PromptTokens);
        _generated.Inc(generation.CompletionTokens);
        _cached.Inc(generation.CachedTokens);
        _latency.Observe(generation.Elapsed.TotalSeconds);
        _promptTokens.Observe(generation.PromptTokens);
        _uncachedPromptTokens.Observe(generation.PromptTokens - generation.CachedTokens);
        _generationTokens.Observe(generation.CompletionTokens);
        GenerationTimes times = generation.Times;
        if (times.QueueSeconds is { } queued) _queueTime.WithLabels(Of(generation.DpRank)).Observe(queued);
        if (times.Queued != 0) Stage(generation, "request_process", Stopwatch.GetElapsedTime(received, times.Queued).TotalSeconds);
        Stage(generation, "prefill_waiting", times.QueueSeconds);
        Stage(generation, "prefill_forward", times.PrefillSeconds);
        Stage(generation, "decode_forward", times.DecodeSeconds);
    }

    /// <summary>A request whose client went away.</summary>
    public void Abandoned()
    {
        _requests.Inc();
        _aborted.Inc();
    }

    /// <summary>Cached prefixes had to go.</summary>
    public void Evicted(TimeSpan took) => _eviction.Observe(took.TotalSeconds);

    /// <param name="endpoint">The route, never the raw path: labels must stay few.</param>
    public void HttpBegan(string endpoint, string method)
    {
        _httpActive.Inc();
        _httpRequests.WithLabels(_model, "unified", endpoint, method).Inc();
    }

    public void HttpEnded(string endpoint, string method, int status)
    {
        _httpActive.Dec();
        _httpResponses.WithLabels(_model, "unified", endpoint, status.ToString(System.Globalization.CultureInfo.InvariantCulture), method).Inc();
    }

    public async Task<byte[]> ExportAsync(CancellationToken cancellation)
    {
        using var text = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(text, ExpositionFormat.PrometheusText, cancellation);
        return MetricsText.WithColons(text.GetBuffer().AsSpan(0, (int)text.Length));
    }

    /// <summary>What a replica's scheduler has counted; the answer sets it.</summary>
    private Action<EngineStats> RegisterReplica(EngineInfo info, int rank)
    {
        // Shown from the start, before a request has waited.
        _queueTime.WithLabels(Of(rank));
        Gauge.Child running = ReplicaGauge(rank, "num_running_reqs", "Requests running.");
        Gauge.Child waiting = ReplicaGauge(rank, "num_queue_reqs", "Requests waiting.");
        Gauge.Child used = ReplicaGauge(rank, "num_used_tokens", "Tokens held in the KV pool by running requests.");
        Gauge.Child usage = ReplicaGauge(rank, "token_usage", "Share of the KV pool in use.");
        Gauge.Child throughput = ReplicaGauge(rank, "gen_throughput", "Output tokens per second over the last logging interval.");
        Gauge.Child hitRate = ReplicaGauge(rank, "cache_hit_rate", "Share of prompt tokens found in the prefix cache.");
        Gauge.Child ratio = ReplicaGauge(rank, "new_token_ratio", "Share of the remaining output that admission reserves for.");
        Gauge.Child utilization = ReplicaGauge(rank, "utilization", "Running requests over the most that may run.");
        Gauge.Child sentBack = ReplicaGauge(rank, "num_retracted_reqs", "Waiting requests that had begun and gave their memory or place back.");
        Gauge.Child available = ReplicaGauge(rank, "kv_available_tokens", "Tokens of the KV pool that are free.");
        Gauge.Child evictable = ReplicaGauge(rank, "kv_evictable_tokens", "Tokens of cached prefixes that no request uses.");
        Gauge.Child kvUsed = ReplicaGauge(rank, "kv_used_tokens", "Tokens of the KV pool that requests use.");
        Gauge.Child isGraph = ReplicaGauge(rank, "is_cuda_graph", "1 where the last decode step was replayed from a graph.");
        Gauge.Child decodeLengths = ReplicaGauge(rank, "decode_sum_seq_lens", "Tokens in the KV of the last decode step's requests.");
        Gauge.Child occupancy = ReplicaGauge(rank, "fwd_occupancy", "Percent of the last logging interval that forward passes took.");
        Counter.Child retracted = ReplicaCounter(rank, "num_retracted_requests_total", "Retractions for want of KV pages.");
        Counter.Child retractedInput = ReplicaCounter(rank, "num_retracted_input_tokens_total", "Prompt tokens of retracted requests.");
        Counter.Child retractedOutput = ReplicaCounter(rank, "num_retracted_output_tokens_total", "Output tokens that retracted requests had.");
        Counter.Child evicted = ReplicaCounter(rank, "evicted_tokens_total", "Tokens of cached prefixes dropped to make room.");
        Counter.Child[] realtime = LabelledCounters(rank, "realtime_tokens_total", "Tokens processed, counted step by step.", "mode", "prefill_compute", "prefill_cache", "decode");
        Counter.Child[] passes = LabelledCounters(rank, "cuda_graph_passes_total", "Forward passes by use of graphs.", "mode", "prefill_none", "decode_cuda_graph", "decode_none");
        Counter.Child[] seconds = LabelledCounters(rank, "forward_execution_seconds_total", "Time of forward passes.", "category", "prefill", "decode", "mixed");
        return now =>
        {
            running.Set(now.NumRunning);
            waiting.Set(now.NumWaiting);
            used.Set(now.UsedTokens);
            usage.Set(now.TokenUsage);
            throughput.Set(now.GenerationThroughput);
            hitRate.Set(now.CacheHitRate);
            ratio.Set(now.NewTokenRatio);
            utilization.Set((double)now.NumRunning / info.MaxRunningRequests);
            sentBack.Set(now.NumRetractedWaiting);
            available.Set(now.FreeTokens);
            evictable.Set(now.EvictableTokens);
            kvUsed.Set(now.UsedTokens);
            isGraph.Set(now.Steps.IsGraph ? 1 : 0);
            decodeLengths.Set(now.Steps.DecodeTokens);
            occupancy.Set(now.Steps.Occupancy);
            retracted.IncTo(now.NumRetracted);
            retractedInput.IncTo(now.RetractedInputTokens);
            retractedOutput.IncTo(now.RetractedOutputTokens);
            evicted.IncTo(now.EvictedTokens);
            SetAll(realtime, now.PromptTokens, now.CachedTokens, now.GeneratedTokens);
            SetAll(passes, now.Steps.PrefillPasses, now.Steps.GraphDecodePasses, now.Steps.EagerDecodePasses);
            SetAll(seconds, now.Steps.PrefillSeconds, now.Steps.DecodeSeconds, now.Steps.MixedSeconds);
        };
    }

    private Histogram.Child HttpHistogram(string name, string help, double[] buckets) =>
        _factory.CreateHistogram($"sglang_{name}", help, s_httpLabels, new HistogramConfiguration { Buckets = buckets }).WithLabels(_model, "unified");

    private Histogram SchedulerHistogram(string name, string help, double[] buckets, string[] labels) =>
        _factory.CreateHistogram($"sglang_{name}", help, labels, new HistogramConfiguration { Buckets = buckets });

    private Counter.Child HttpCounter(string name, string help, params ReadOnlySpan<(string Name, string Value)> further)
    {
        var names = new List<string>(s_httpLabels);
        var values = new List<string> { _model, "unified" };
        foreach ((string label, string value) in further)
        {
            names.Add(label);
            values.Add(value);
        }
        return _factory.CreateCounter($"sglang_{name}", help, [.. names]).WithLabels([.. values]);
    }

    /// <summary>One counter with a label more, one child a value of it.</summary>
    private Counter.Child[] LabelledCounters(int rank, string name, string help, string label, params string[] values)
    {
        Counter counter = _factory.CreateCounter($"sglang_{name}", help, [.. _replicaLabels, label]);
        return [.. values.Select(value => counter.WithLabels([.. Of(rank), value]))];
    }

    /// <summary>Values of <see cref="_replicaLabels"/>.</summary>
    private string[] Of(int rank) => _replicaLabels.Length > s_schedulerLabels.Length
        ? [_model, "unified", "0", "0", "0", rank.ToString(System.Globalization.CultureInfo.InvariantCulture)]
        : [_model, "unified", "0", "0", "0"];

    private void Stage(Generation generation, string stage, double? seconds)
    {
        if (seconds is { } value) _stages.WithLabels([.. Of(generation.DpRank), stage]).Observe(value);
    }

    private static void SetAll(Counter.Child[] counters, params ReadOnlySpan<double> values)
    {
        for (int i = 0; i < counters.Length; i++) counters[i].IncTo(values[i]);
    }

    private Gauge.Child SchedulerGauge(string name, string help) =>
        _factory.CreateGauge($"sglang_{name}", help, s_schedulerLabels).WithLabels(_model, "unified", "0", "0", "0");

    private Gauge.Child ReplicaGauge(int rank, string name, string help) => _factory.CreateGauge($"sglang_{name}", help, _replicaLabels).WithLabels(Of(rank));

    private Counter.Child ReplicaCounter(int rank, string name, string help) => _factory.CreateCounter($"sglang_{name}", help, _replicaLabels).WithLabels(Of(rank));

    private void Constant(string name, string help, double value) => SchedulerGauge(name, help).Set(value);
}
