using Microsoft.AspNetCore.Http;
using SgLang.Engine;

namespace SgLang.Server.Http;

/// <summary>The routing key that a request names in a header, for the schedule policy routing-key.</summary>
internal static class RoutingKeyHeader
{
    public const string Header = "X-SMG-Routing-Key";

    /// <summary>A body that names one itself wins.</summary>
    public static GenerationRequest[] Apply(HttpContext http, GenerationRequest[] requests) =>
        (string?)http.Request.Headers[Header] is { Length: > 0 } key ? [.. requests.Select(request => request with { RoutingKey = request.RoutingKey ?? key })] : requests;
}
