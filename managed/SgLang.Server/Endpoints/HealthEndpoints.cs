using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Endpoints;

/// <summary>GET /health, /health_generate and /ping.</summary>
internal sealed class HealthEndpoints
{
    private readonly ServingContext _serving;
    private readonly HealthCheck _check;

    public HealthEndpoints(ServingContext serving)
    {
        _serving = serving;
        InferenceEngine engine = serving.Engine;
        _check = new HealthCheck(
            new HealthSubject(() => engine.IsAlive, () => engine.Stats, RunOneTokenAsync), serving.State, serving.Options.HealthCheckTimeout,
            TimeSpan.FromSeconds(engine.Options.WatchdogTimeoutSeconds), TimeProvider.System);
    }

    /// <summary>Answers at once, by the engine's heartbeat.</summary>
    public Task HealthAsync(HttpContext http) => AnswerAsync(http, generate: false);

    public Task HealthGenerateAsync(HttpContext http) => AnswerAsync(http, _serving.Options.HealthGeneration);

    public static Task PingAsync(HttpContext http) => Respond.EmptyAsync(http, 200);

    private async Task AnswerAsync(HttpContext http, bool generate) =>
        await Respond.EmptyAsync(http, await _check.RunAsync(generate, http.RequestAborted) ? 200 : 503);

    private async Task RunOneTokenAsync(CancellationToken cancellation)
    {
        await using Generation probe = _serving.Engine.Submit(new GenerationRequest
        {
            Rid = $"HEALTH_CHECK_{Guid.NewGuid():N}",
            InputIds = [0],
            IsProbe = true,
            Sampling = new SamplingParams { MaxNewTokens = 1, Temperature = 0 },
        });
        while (await probe.ReadAsync(cancellation) is { } chunk)
            if (chunk.Finish is { Kind: FinishKind.Abort } failed) throw new HealthProbeException(failed.Text ?? "aborted");
    }
}
