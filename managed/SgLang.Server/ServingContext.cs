using Microsoft.Extensions.Logging;
using SgLang.Engine;
using SgLang.Server.Monitoring;

namespace SgLang.Server;

/// <summary>What every endpoint works with.</summary>
internal sealed class ServingContext
{
    public required InferenceEngine Engine { get; init; }
    public required ServerOptions Options { get; init; }
    public required ServerState State { get; init; }
    public required ServerMetrics Metrics { get; init; }
    public required RequestLog RequestLog { get; init; }
    public required ILogger Log { get; init; }

    /// <summary>Unix time at which the model was loaded: `created` of the model's card.</summary>
    public required long Created { get; init; }

    public static long UnixTime() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
}
