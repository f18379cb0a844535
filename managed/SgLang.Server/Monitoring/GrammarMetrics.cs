using Prometheus;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>What /metrics shows of structured output.</summary>
internal sealed class GrammarMetrics
{
    private static readonly double[] s_compilationBuckets = [.0, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 30, 60, 90, 120, 240];

    private readonly Histogram.Child _compilation;

    public GrammarMetrics(CollectorRegistry registry, string model, Func<EngineStats> stats)
    {
        MetricFactory factory = Prometheus.Metrics.WithCustomRegistry(registry);
        Counter.Child requests = Count("num_grammar_total", "Requests with a grammar.");
        Counter.Child hits = Count("num_grammar_cache_hit_total", "Requests whose grammar was compiled before.");
        Counter.Child aborted = Count("num_grammar_aborted_total", "Requests aborted while their grammar was compiled.");
        Counter.Child timedOut = Count("num_grammar_timeout_total", "Compilations of grammars that took too long.");
        _compilation = factory.CreateHistogram("sglang_grammar_compilation_time_seconds", "Time of compiling a grammar.", ["model_name", "engine_type"],
            new HistogramConfiguration { Buckets = s_compilationBuckets }).WithLabels(model, "unified");
        registry.AddBeforeCollectCallback(() =>
        {
            GrammarCounts now = stats().Grammars;
            requests.IncTo(now.Requests);
            hits.IncTo(now.CacheHits);
            aborted.IncTo(now.Aborted);
            timedOut.IncTo(now.TimedOut);
        });

        Counter.Child Count(string name, string help) => factory.CreateCounter($"sglang_{name}", help, ["model_name", "engine_type"]).WithLabels(model, "unified");
    }

    public void Compiled(TimeSpan time) => _compilation.Observe(time.TotalSeconds);
}
