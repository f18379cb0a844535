using System.Text.Json.Nodes;
using SgLang.Bench.Load;

namespace SgLang.Bench.Serving;

/// <summary>One measured load: its figures, its requests, and the result line made of them.</summary>
/// <param name="Rate">Requests a second asked for; infinity: all at once.</param>
/// <param name="Repeat">From 0.</param>
public sealed record ServingRun(double Rate, int Repeat, ServingMetrics Metrics, IReadOnlyList<RequestRecord> Records, JsonObject Line);
