using System.Globalization;
using Prometheus;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>What /metrics shows of the experts' load, where it is counted.</summary>
internal static class ExpertMetrics
{
    /// <param name="loads">Of each replica; empty where nothing is counted.</param>
    public static void Register(CollectorRegistry registry, string model, Func<IReadOnlyList<ExpertLoad>> loads)
    {
        if (loads().Count == 0) return;
        MetricFactory factory = Prometheus.Metrics.WithCustomRegistry(registry);
        Counter tokens = factory.CreateCounter("sglang_expert_tokens_total", "Tokens given to experts of this part, once for each expert of a token and layer.",
            ["model_name", "engine_type", "dp_rank", "moe_ep_rank"]);
        Gauge balance = factory.CreateGauge("sglang_expert_balancedness", "Average over largest load of the expert-parallel parts, mean over layers; 1 is even.",
            ["model_name", "engine_type", "dp_rank"]);
        registry.AddBeforeCollectCallback(() =>
        {
            IReadOnlyList<ExpertLoad> now = loads();
            for (int replica = 0; replica < now.Count; replica++)
            {
                string dp = Text(replica);
                balance.WithLabels(model, "unified", dp).Set(now[replica].Balancedness);
                for (int part = 0; part < now[replica].TokensByPart.Length; part++)
                    tokens.WithLabels(model, "unified", dp, Text(part)).IncTo(now[replica].TokensByPart[part]);
            }
        });

        static string Text(int rank) => rank.ToString(CultureInfo.InvariantCulture);
    }
}
