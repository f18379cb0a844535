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

    private static readonly string[] s_httpLabels = ["model_name", "engine_type"];
    private static readonly string[] s_schedulerLabels = ["model_name", "engine_type", "tp_rank", "pp_rank", "moe_ep_rank"];

    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly MetricFactory _factory;
    private readonly string _model;
    private readonly Histogram.Child _firstToken;
    private readonly Histogram.Child _betweenTokens;
    private readonly Histogram.Child _latency;
    private readonly Histogram.Child _promptTokens;
    private readonly Histogram.Child _uncachedPromptTokens;
    private readonly Histogram.Child _generationTokens;
    private readonly Counter _httpRequests;
    private readonly Counter _httpResponses;
    private readonly Gauge.Child _httpActive;

    /// <param name="stats">The engine's snapshot, read at every scrape.</param>
    public ServerMetrics(EngineInfo info, Func<EngineStats> stats, TimeSpan startupTime)
    {
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _model = info.ModelName;
        _firstToken = HttpHistogram("time_to_first_token_seconds", "Time from receipt to the first token, of streamed requests.", s_firstTokenBuckets);
        _betweenTokens = HttpHistogram("inter_token_latency_seconds", "Time between tokens, of streamed requests.", s_betweenTokensBuckets);
        _latency = HttpHistogram("e2e_request_latency_seconds", "Time from submission to the last token.", s_latencyBuckets);
        _promptTokens = HttpHistogram("prompt_tokens_histogram", "Prompt tokens of a request.", s_tokenBuckets);
        _uncachedPromptTokens = HttpHistogram("uncached_prompt_tokens_histogram", "Prompt tokens that were not in the prefix cache.", s_tokenBuckets);
        _generationTokens = HttpHistogram("generation_tokens_histogram", "Tokens generated for a request.", s_tokenBuckets);
        _httpRequests = _factory.CreateCounter("sglang_http_requests_total", "HTTP requests received.", [.. s_httpLabels, "endpoint", "method"]);
        _httpResponses = _factory.CreateCounter("sglang_http_responses_total", "HTTP requests answered.", [.. s_httpLabels, "endpoint", "status_code", "method"]);
        _httpActive = _factory.CreateGauge("sglang_http_requests_active", "HTTP requests under way.", s_httpLabels).WithLabels(_model, "unified");

        Constant("max_total_num_tokens", "Tokens the KV pool holds.", info.MaxTotalTokens);
        Constant("page_size", "Tokens of a KV page.", info.PageSize);
        Constant("num_pages", "Pages of the KV pool.", info.MaxTotalTokens / info.PageSize);
        Constant("context_len", "Longest prompt and answer together.", info.ContextLength);
        Constant("engine_startup_time", "Seconds from start to readiness for requests.", startupTime.TotalSeconds);
        Constant("engine_load_weights_time", "Seconds of loading the model.", info.LoadTime.TotalSeconds);
        RegisterEngine(info, stats);
    }

    public void FirstToken(double seconds) => _firstToken.Observe(seconds);

    public void BetweenTokens(double seconds, int tokens) => _betweenTokens.Observe(seconds, tokens);

    public void Finished(double seconds, int promptTokens, int cachedTokens, int completionTokens)
    {
        _latency.Observe(seconds);
        _promptTokens.Observe(promptTokens);
        _uncachedPromptTokens.Observe(promptTokens - cachedTokens);
        _generationTokens.Observe(completionTokens);
    }

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

    private void RegisterEngine(EngineInfo info, Func<EngineStats> stats)
    {
        Gauge.Child running = SchedulerGauge("num_running_reqs", "Requests running.");
        Gauge.Child waiting = SchedulerGauge("num_queue_reqs", "Requests waiting.");
        Gauge.Child grammar = SchedulerGauge("num_grammar_queue_reqs", "Requests waiting for a grammar.");
        Gauge.Child used = SchedulerGauge("num_used_tokens", "Tokens held in the KV pool by running requests.");
        Gauge.Child usage = SchedulerGauge("token_usage", "Share of the KV pool in use.");
        Gauge.Child throughput = SchedulerGauge("gen_throughput", "Output tokens per second over the last logging interval.");
        Gauge.Child hitRate = SchedulerGauge("cache_hit_rate", "Share of prompt tokens found in the prefix cache.");
        Gauge.Child ratio = SchedulerGauge("new_token_ratio", "Share of the remaining output that admission reserves for.");
        Gauge.Child utilization = SchedulerGauge("utilization", "Running requests over the most that may run.");
        Counter.Child prompt = SchedulerCounter("prompt_tokens_total", "Prompt tokens processed.");
        Counter.Child generated = SchedulerCounter("generation_tokens_total", "Tokens generated.");
        Counter.Child cached = _factory.CreateCounter("sglang_cached_tokens_total", "Prompt tokens taken from the prefix cache.", [.. s_schedulerLabels, "cache_source"])
            .WithLabels(_model, "unified", "0", "0", "0", "device");
        Counter.Child requests = SchedulerCounter("num_requests_total", "Requests processed.");
        Counter.Child aborted = SchedulerCounter("num_aborted_requests_total", "Requests aborted.");
        Counter.Child retracted = SchedulerCounter("num_retracted_requests_total", "Retractions for want of KV pages.");
        _registry.AddBeforeCollectCallback(() =>
        {
            EngineStats now = stats();
            running.Set(now.NumRunning);
            waiting.Set(now.NumWaiting);
            grammar.Set(now.NumGrammarQueue);
            used.Set(now.UsedTokens);
            usage.Set(now.TokenUsage);
            throughput.Set(now.GenerationThroughput);
            hitRate.Set(now.CacheHitRate);
            ratio.Set(now.NewTokenRatio);
            utilization.Set((double)now.NumRunning / info.MaxRunningRequests);
            prompt.IncTo(now.PromptTokens);
            generated.IncTo(now.GeneratedTokens);
            cached.IncTo(now.CachedTokens);
            requests.IncTo(now.NumRequests);
            aborted.IncTo(now.NumAborted);
            retracted.IncTo(now.NumRetracted);
        });
    }

    private Histogram.Child HttpHistogram(string name, string help, double[] buckets) =>
        _factory.CreateHistogram($"sglang_{name}", help, s_httpLabels, new HistogramConfiguration { Buckets = buckets }).WithLabels(_model, "unified");

    private Gauge.Child SchedulerGauge(string name, string help) =>
        _factory.CreateGauge($"sglang_{name}", help, s_schedulerLabels).WithLabels(_model, "unified", "0", "0", "0");

    private Counter.Child SchedulerCounter(string name, string help) =>
        _factory.CreateCounter($"sglang_{name}", help, s_schedulerLabels).WithLabels(_model, "unified", "0", "0", "0");

    private void Constant(string name, string help, double value) => SchedulerGauge(name, help).Set(value);
}
