using System.Text.Json.Nodes;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Http;

/// <summary>The router before prefill and decode workers, where its address was not given (spec/benchmarks.md 6.2).</summary>
public static class RouterFinder
{
    /// <summary>Of routers by default, those of SGLang's examples first.</summary>
    public static IReadOnlyList<int> UsualPorts { get; } = [8000, 30000];

    /// <summary>The first address where a router answers; null: none does. A worker's answer is not a router's.</summary>
    public static async Task<Uri?> FindAsync(IReadOnlyList<Uri> likely, ServingOptions options, CancellationToken cancellation)
    {
        foreach (Uri address in likely)
        {
            using ServerApi api = new(address, options.Authorization, options.Headers);
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            attempt.CancelAfter(TimeSpan.FromSeconds(2));
            try
            {
                if (await api.GetJsonAsync("/server_info", attempt.Token) is JsonObject info && (info["router_manager"] is not null || (info["prefill"] is JsonArray && info["decode"] is JsonArray))) return address;
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // Something listens there and does not answer: no router that could be measured.
            }
        }
        return null;
    }
}
