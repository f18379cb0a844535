using System.Globalization;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;

namespace SgLang.Server.Http;

/// <summary>The replica that a request names in a header, for APIs whose bodies have no place for it.</summary>
internal static class RoutedRank
{
    public const string Header = "X-Data-Parallel-Rank";

    /// <summary>A body that names one itself wins.</summary>
    public static GenerationRequest[] Apply(HttpContext http, IEnumerable<GenerationRequest> requests)
    {
        if ((string?)http.Request.Headers[Header] is not { Length: > 0 } text) return [.. requests];
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int rank))
            throw new InvalidRequestException($"{Header} must be the number of a replica, got '{text}'.");
        return [.. requests.Select(request => request with { DpRank = request.DpRank ?? rank })];
    }
}
