using System.Globalization;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Http;

namespace SgLang.Server.Endpoints;

/// <summary>/flush_cache, /abort_request, /pause_generation, /continue_generation and /metrics.</summary>
internal sealed class AdminEndpoints(ServingContext serving)
{
    private int _isFlushing;

    /// <summary>Empties the prefix cache when nothing runs or waits, waiting up to ?timeout= seconds for that.</summary>
    public async Task FlushCacheAsync(HttpContext http)
    {
        string? given = http.Request.Query["timeout"];
        double seconds = 0;
        if (!string.IsNullOrEmpty(given) && (!double.TryParse(given, CultureInfo.InvariantCulture, out seconds) || seconds is not (>= 0 and <= 86400)))
        {
            await Respond.TextAsync(http, 400, $"timeout must be a number of seconds in [0, 86400], got '{given}'.\n");
            return;
        }
        if (Interlocked.Exchange(ref _isFlushing, 1) != 0)
        {
            await Respond.TextAsync(http, 400, "Cache not flushed: another flush is waiting.\n");
            return;
        }
        try
        {
            if (await serving.Engine.FlushCacheAsync(TimeSpan.FromSeconds(seconds)))
            {
                await Respond.TextAsync(http, 200, "Cache flushed.\n");
                return;
            }
            EngineStats stats = serving.Engine.Stats;
            await Respond.TextAsync(http, 400, $"Cache not flushed: requests running: {stats.NumRunning}, waiting: {stats.NumWaiting}.\n");
        }
        finally
        {
            Volatile.Write(ref _isFlushing, 0);
        }
    }

    /// <summary>Aborts by prefix of rid, or all. Unknown and empty rids are ignored.</summary>
    public async Task AbortAsync(HttpContext http)
    {
        AbortRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.AbortRequest);
        if (body.AbortAll is true) serving.Engine.AbortAll();
        else if (!string.IsNullOrEmpty(body.Rid)) serving.Engine.Abort(body.Rid);
        await Respond.EmptyAsync(http, 200);
    }

    /// <summary>Computes nothing until <see cref="ContinueAsync"/>; answers once the steps under way have ended.</summary>
    public async Task PauseAsync(HttpContext http)
    {
        PauseGenerationRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.PauseGenerationRequest);
        await serving.Engine.PauseAsync(body.Mode switch
        {
            null or "abort" => PauseMode.Abort,
            "retract" => PauseMode.Retract,
            "in_place" => PauseMode.InPlace,
            _ => throw new InvalidRequestException($"mode must be one of abort, retract, in_place, got '{body.Mode}'."),
        });
        await Respond.JsonAsync(http, 200, new PauseGenerationResponse("Generation paused successfully."), ProtocolJsonContext.Default.PauseGenerationResponse);
    }

    public async Task ContinueAsync(HttpContext http)
    {
        _ = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.ContinueGenerationRequest);
        serving.Engine.Resume();
        await Respond.JsonAsync(http, 200, new PauseGenerationResponse("Generation continued successfully."), ProtocolJsonContext.Default.PauseGenerationResponse);
    }

    public async Task MetricsAsync(HttpContext http)
    {
        byte[] text = await serving.Metrics.ExportAsync(http.RequestAborted);
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await http.Response.Body.WriteAsync(text, http.RequestAborted);
    }
}
