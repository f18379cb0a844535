using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Http;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>GET /requests and /requests/{rid}: what happened to requests and why they waited; GET /stats: one moment of the server.</summary>
internal sealed class RequestEndpoints(ServingContext serving)
{
    private const int DefaultListed = 50;
    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);
    private readonly long _started = Stopwatch.GetTimestamp();

    public Task ListAsync(HttpContext http)
    {
        int limit = DefaultListed;
        if (http.Request.Query["limit"] is [{ } given] && !(int.TryParse(given, out limit) && limit is >= 1 and <= InferenceEngine.RememberedRequests))
            throw new InvalidRequestException($"limit must be in [1, {InferenceEngine.RememberedRequests}], got {given}.");
        long now = Stopwatch.GetTimestamp();
        var list = new RequestList { Requests = [.. serving.Engine.RecentRequests(limit).Select(record => RequestReports.Summarize(record, now))] };
        return Respond.JsonAsync(http, 200, list, ProtocolJsonContext.Default.RequestList);
    }

    public Task ReportAsync(HttpContext http)
    {
        string rid = Uri.UnescapeDataString((string?)http.Request.RouteValues["rid"] ?? "");
        if (serving.Engine.FindRequest(rid) is { } record)
            return Respond.JsonAsync(http, 200, RequestReports.Report(record, Stopwatch.GetTimestamp()), ProtocolJsonContext.Default.RequestReport);
        var body = new NativeErrorBody(new NativeError(
            $"No request '{rid}' is known: it never came, or more than {InferenceEngine.RememberedRequests} came after it."));
        return Respond.JsonAsync(http, 404, body, ProtocolJsonContext.Default.NativeErrorBody);
    }

    public Task StatsAsync(HttpContext http) => Respond.JsonAsync(http, 200, Stats(), ProtocolJsonContext.Default.LiveStats);

    private LiveStats Stats()
    {
        EngineStats stats = serving.Engine.Stats;
        EngineInfo info = serving.Engine.Info;
        DateTimeOffset utc = DateTimeOffset.UtcNow;
        long now = Stopwatch.GetTimestamp();
        List<RequestSummary> lately =
        [
            .. serving.Engine.RecentRequests(InferenceEngine.RememberedRequests).Where(record => utc - record.SubmittedAt < s_window)
                .Select(record => RequestReports.Summarize(record, now)),
        ];
        return new LiveStats
        {
            Time = utc.ToUnixTimeMilliseconds() / 1000.0,
            Status = serving.State.Status switch { ServerStatus.Up => "ready", ServerStatus.Starting => "starting", ServerStatus.ShuttingDown => "shutting down", _ => "unhealthy" },
            Model = info.ModelName,
            Device = info.Device,
            Version = InfoEndpoints.Version,
            Uptime = Stopwatch.GetElapsedTime(_started).TotalSeconds,
            Running = stats.NumRunning,
            Waiting = stats.NumWaiting,
            MaxRunning = info.MaxRunningRequests,
            UsedTokens = stats.UsedTokens,
            MaxTotalTokens = info.MaxTotalTokens,
            CacheHitRate = stats.CacheHitRate,
            GenerationThroughput = stats.GenerationThroughput,
            NewTokenRatio = stats.NewTokenRatio,
            Steps = stats.NumSteps,
            PromptTokens = stats.PromptTokens,
            CachedTokens = stats.CachedTokens,
            GeneratedTokens = stats.GeneratedTokens,
            Requests = stats.NumRequests,
            Aborted = stats.NumAborted,
            Retracted = stats.NumRetracted,
            TimeToFirstToken = Quantiles(lately.Select(request => request.TimeToFirstToken)),
            TimePerToken = Quantiles(lately.Where(request => request is { TimeToFirstToken: not null, OutputTokens: > 1 })
                .Select(request => (request.Latency - request.TimeToFirstToken) / (request.OutputTokens - 1))),
            QueueTime = Quantiles(lately.Select(request => (double?)request.QueueTime)),
            Latency = Quantiles(lately.Where(request => request.State == "finished").Select(request => (double?)request.Latency)),
        };
    }

    /// <summary>By nearest rank; null for an empty list.</summary>
    private static LatencyQuantiles? Quantiles(IEnumerable<double?> values)
    {
        double[] sorted = [.. values.OfType<double>().Order()];
        return sorted.Length == 0 ? null : new LatencyQuantiles(At(0.5), At(0.95), sorted.Length);

        double At(double share) => Math.Round(sorted[(int)Math.Ceiling(share * sorted.Length) - 1], 6);
    }
}
