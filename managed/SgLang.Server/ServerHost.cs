using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SgLang.Engine;
using SgLang.Profiling;
using SgLang.Server.Endpoints;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;

namespace SgLang.Server;

/// <summary>
/// HTTP in front of an engine. Start listens with status Starting; <see cref="WarmUpAsync"/> makes it Up; <see cref="DrainAsync"/> stops reporting
/// healthy and waits for what runs; disposing closes the port. The engine belongs to the caller.
/// </summary>
public sealed partial class ServerHost : IAsyncDisposable
{
    public const string ReadyLine = "The server is fired up and ready to roll!";
    internal const string AccessLogCategory = "SgLang.Access";
    private static readonly TimeSpan s_progressInterval = TimeSpan.FromSeconds(5);

    /// <summary>Kestrel looks once a second.</summary>
    private static readonly TimeSpan s_leastPatience = TimeSpan.FromSeconds(2);

    private readonly WebApplication _app;
    private readonly ServingContext _serving;
    private readonly ILogger _access;
    private int _active;

    private ServerHost(WebApplication app, ServingContext serving, ILogger access)
    {
        _app = app;
        _serving = serving;
        _access = access;
    }

    public ServerStatus Status => _serving.State.Status;

    /// <summary>Where it listens; a wildcard address is given as loopback.</summary>
    public Uri Address { get; private set; } = null!;

    /// <exception cref="ServerStartException">The address is taken or does not exist.</exception>
    public static async Task<ServerHost> StartAsync(InferenceEngine engine, ServerOptions options, ILoggerFactory logs)
    {
        IPAddress address = await ResolveAsync(options.Host);
        X509Certificate2? certificate = ServerCertificate.Load(options);
        // An empty one: the others read appsettings.json and environment variables that are not this program's, and watch the working directory for changes of them.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        if (certificate is not null) builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddRoutingCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxRequestBodyBytes;
            // A reader may take its time between tokens, but not for ever: the limit is on a write that waits, whatever its size.
            kestrel.Limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 1e12, options.StalledReaderTimeout < s_leastPatience ? s_leastPatience : options.StalledReaderTimeout);
            // A long prompt may come slowly.
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Listen(address, options.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(DirectOutput.Use);
                if (certificate is not null) listen.UseHttps(certificate);
            });
        });
        WebApplication app = builder.Build();
        TimeSpan startupTime = DateTime.UtcNow - Process.GetCurrentProcess().StartTime.ToUniversalTime();
        ILogger log = logs.CreateLogger("SgLang.Server");
        RequestLog requestLog = RequestLog.Create(log, options);
        var serving = new ServingContext
        {
            Engine = engine,
            Options = options,
            State = new ServerState(),
            Metrics = new ServerMetrics(engine.Info, () => engine.Stats, () => engine.ReplicaStats, startupTime, () => engine.ExpertLoads),
            RequestLog = requestLog,
            Log = log,
            Created = ServingContext.UnixTime(),
        };
        if (options.EnableMetrics) engine.PrefixesEvicted += serving.Metrics.Evicted;
        engine.GrammarCompiled += serving.Metrics.Grammars.Compiled;
        var host = new ServerHost(app, serving, logs.CreateLogger(AccessLogCategory));
        host.Map();
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await app.DisposeAsync();
            host.Release();
            throw CannotListen(options, e);
        }
        string bound = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        host.Address = Reachable(bound);
        if (options.SkipServerWarmup) host.BecomeReady();
        return host;
    }

    /// <summary>Tries the address before anything slow is done. Another program may still take it afterwards.</summary>
    /// <exception cref="ServerStartException">It is taken or does not exist.</exception>
    public static async Task CheckAddressAsync(ServerOptions options)
    {
        IPAddress address = await ResolveAsync(options.Host);
        ServerCertificate.Load(options)?.Dispose();
        try
        {
            using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(address, options.Port));
            probe.Listen();
        }
        catch (SocketException e)
        {
            throw CannotListen(options, e);
        }
    }

    /// <summary>Sends one request through the whole server. Does nothing with --skip-server-warmup.</summary>
    /// <exception cref="ServerStartException">It was not answered with tokens in time.</exception>
    public async Task WarmUpAsync(CancellationToken cancellation = default)
    {
        if (_serving.Options.SkipServerWarmup) return;
        await WarmUp.RunAsync(Address, _serving, cancellation);
        BecomeReady();
    }

    /// <summary>Reports unhealthy from now on and completes when no request is under way, saying every 5 seconds how many remain.</summary>
    public async Task DrainAsync(CancellationToken cancellation = default)
    {
        _serving.State.TryChange(ServerStatus.ShuttingDown);
        Log.Draining(_serving.Log, _serving.Engine.Stats.NumRunning + _serving.Engine.Stats.NumWaiting);
        Task drained = _serving.Engine.IsAlive ? _serving.Engine.DrainAsync(cancellation) : Task.CompletedTask;
        long said = Stopwatch.GetTimestamp();
        // The engine is done before the last bytes are on their way; requests that came late get their 503.
        while (!drained.IsCompleted || Volatile.Read(ref _active) > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!_serving.Engine.IsAlive) break;
            if (Stopwatch.GetElapsedTime(said) >= s_progressInterval)
            {
                said = Stopwatch.GetTimestamp();
                EngineStats stats = _serving.Engine.Stats;
                Log.Remaining(_serving.Log, stats.NumRunning + stats.NumWaiting);
            }
            await Task.Delay(20, cancellation);
        }
    }

    /// <summary>Ends what runs at once.</summary>
    public void AbortAll()
    {
        _serving.State.TryChange(ServerStatus.ShuttingDown);
        if (_serving.Engine.IsAlive) _serving.Engine.AbortAll();
    }

    public async ValueTask DisposeAsync()
    {
        _serving.State.TryChange(ServerStatus.ShuttingDown);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await _app.StopAsync(limit.Token);
        await _app.DisposeAsync();
        Release();
    }

    private void Release()
    {
        _serving.Engine.PrefixesEvicted -= _serving.Metrics.Evicted;
        _serving.Engine.GrammarCompiled -= _serving.Metrics.Grammars.Compiled;
        _serving.RequestLog.Dispose();
    }

    private void BecomeReady()
    {
        if (_serving.State.TryChange(ServerStatus.Up)) Log.Ready(_serving.Log, ReadyLine);
    }

    private void Map()
    {
        ServingContext serving = _serving;
        _app.Use(RequestId.InvokeAsync);
        _app.Use(CountAsync);
        _app.Use(new Cors(serving.Options.CorsOrigins).InvokeAsync);
        _app.Use(new ErrorMapper(serving.Log).InvokeAsync);
        _app.Use(new Authentication(serving.Options.ApiKey, serving.Options.AdminApiKey).InvokeAsync);

        var generate = new GenerateEndpoint(serving);
        Route(["POST", "PUT"], generate.InvokeAsync, "/generate");
        Route(["POST"], new CompletionsEndpoint(serving).InvokeAsync, "/v1/completions");
        Route(["POST"], new ChatCompletionsEndpoint(serving).InvokeAsync, "/v1/chat/completions");

        var responses = new ResponsesEndpoint(serving);
        Route(["POST"], responses.CreateAsync, "/v1/responses");
        Route(["GET"], responses.GetAsync, "/v1/responses/{id}");
        Route(["DELETE"], responses.DeleteAsync, "/v1/responses/{id}");
        Route(["POST"], responses.CancelAsync, "/v1/responses/{id}/cancel");
        Route(["POST"], new EmbeddingsEndpoint(serving).InvokeAsync, "/v1/embeddings");
        Route(["POST", "PUT"], new EncodeEndpoint(serving).InvokeAsync, "/encode");

        var health = new HealthEndpoints(serving);
        Route(["GET"], health.HealthAsync, "/health");
        Route(["GET"], health.HealthGenerateAsync, "/health_generate");
        Route(["GET"], HealthEndpoints.PingAsync, "/ping");

        var info = new InfoEndpoints(serving);
        Route(["GET"], info.ModelInfoAsync, "/model_info", "/get_model_info");
        Route(["GET"], info.ServerInfoAsync, "/server_info", "/get_server_info");
        Route(["GET"], info.ModelsAsync, "/v1/models");
        // A model's name may be a path.
        Route(["GET"], info.ModelAsync, "/v1/models/{**id}");

        var tokenize = new TokenizeEndpoints(serving);
        Route(["POST"], tokenize.TokenizeAsync, "/tokenize", "/v1/tokenize");
        Route(["POST"], tokenize.DetokenizeAsync, "/detokenize", "/v1/detokenize");

        var parsers = new ParserEndpoints(serving);
        Route(["POST"], parsers.SeparateReasoningAsync, "/separate_reasoning");
        Route(["POST"], parsers.ParseFunctionCallAsync, "/parse_function_call");

        var admin = new AdminEndpoints(serving);
        Route(["GET", "POST"], admin.FlushCacheAsync, "/flush_cache");
        Route(["POST"], admin.AbortAsync, "/abort_request");
        Route(["POST"], admin.PauseAsync, "/pause_generation");
        Route(["POST"], admin.ContinueAsync, "/continue_generation");
        if (serving.Options.EnableMetrics) Route(["GET"], admin.MetricsAsync, "/metrics");

        var requests = new RequestEndpoints(serving);
        Route(["GET"], requests.ListAsync, "/requests");
        Route(["GET"], requests.ReportAsync, "/requests/{**rid}");
        Route(["GET"], requests.StatsAsync, "/stats");
        Route(["GET", "HEAD"], PageEndpoint.InvokeAsync, "/");

        var profile = new ProfileEndpoints(serving);
        Route(["GET", "POST"], profile.StartAsync, "/start_profile");
        Route(["GET", "POST"], profile.StopAsync, "/stop_profile", "/end_profile");
        Route(["POST"], profile.CancelAsync, "/cancel_profile");
        Route(["POST"], profile.DumpFlightRecordAsync, "/dump_flight_record");
        Route(["GET"], profile.StatusAsync, "/profile_status");
        Route(["GET"], profile.ListAsync, "/profile_list");
        Route(["GET"], profile.ClockAsync, "/profile_clock");
        Route(["GET"], profile.DownloadAsync, "/profile_download/{id}/{file}");

        DocsEndpoints.Map(_app);

        void Route(string[] methods, RequestDelegate handler, params ReadOnlySpan<string> paths)
        {
            foreach (string path in paths) _app.MapMethods(path, methods, handler);
        }
    }

    /// <summary>Questions about windows, which who waits for one asks many times a second: they leave no spans in it.</summary>
    private static bool IsAboutWindows(string endpoint) => endpoint is "/profile_status" or "/profile_list" or "/profile_clock" or "/profile_download/{id}/{file}";

    /// <summary>Counts requests under way, for draining, metrics and the access log.</summary>
    private async Task CountAsync(HttpContext context, RequestDelegate next)
    {
        string endpoint = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "other";
        Interlocked.Increment(ref _active);
        TraceRecorder recorder = _serving.Engine.Profiler.Recorder;
        int lane = IsAboutWindows(endpoint) ? -1 : recorder.Lanes.Open(recorder.Names.Register(endpoint == "other" ? "HTTP other" : $"HTTP {context.Request.Method} {endpoint}", "status"));
        if (_serving.Options.EnableMetrics) _serving.Metrics.HttpBegan(endpoint, context.Request.Method);
        try
        {
            await next(context);
            // Completing here, not after the middleware, puts the last bytes of the answer inside the count.
            if (!context.RequestAborted.IsCancellationRequested) await context.Response.CompleteAsync();
        }
        finally
        {
            if (lane >= 0) recorder.EndRequest(lane, context.Response.StatusCode);
            if (_serving.Options.EnableMetrics) _serving.Metrics.HttpEnded(endpoint, context.Request.Method, context.Response.StatusCode);
            Interlocked.Decrement(ref _active);
            if (_access.IsEnabled(LogLevel.Information))
            {
                Log.Access(_access, context.Connection.RemoteIpAddress?.ToString(), context.Connection.RemotePort, context.Request.Method,
                    context.Request.Path.ToUriComponent() + context.Request.QueryString.ToUriComponent(), context.Request.Protocol, context.Response.StatusCode,
                    ReasonPhrases.GetReasonPhrase(context.Response.StatusCode));
            }
        }
    }

    internal static async Task<IPAddress> ResolveAsync(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? address)) return address;
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase)) return IPAddress.Loopback;
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(host);
            return found.FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork) ?? found[0];
        }
        catch (SocketException e)
        {
            throw new ServerStartException($"--host: '{host}' is neither an IP address nor a name that resolves.", e);
        }
    }

    internal static ServerStartException CannotListen(ServerOptions options, Exception e)
    {
        SocketException? socket = e as SocketException ?? e.InnerException as SocketException ?? e.InnerException?.InnerException as SocketException;
        bool isTaken = socket?.SocketErrorCode == SocketError.AddressAlreadyInUse || e.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException;
        string reason = isTaken ? "it is in use by another program; stop that, or choose another --port" : socket?.Message ?? e.Message;
        return new ServerStartException($"--port: cannot listen on {options.Host}:{options.Port}: {reason}.", e);
    }

    /// <summary>0.0.0.0 and [::] are addresses to listen on, not to call.</summary>
    internal static Uri Reachable(string bound)
    {
        var uri = new UriBuilder(bound);
        if (uri.Host is "0.0.0.0") uri.Host = "127.0.0.1";
        if (uri.Host is "[::]" or "::") uri.Host = "[::1]";
        return uri.Uri;
    }

    /// <summary>Signals are the program's business, not the web host's.</summary>
    internal sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Line:l}")]
        public static partial void Ready(ILogger logger, string line);

        [LoggerMessage(Level = LogLevel.Information, Message = "Shutting down gracefully. Requests remaining: {Remaining}")]
        public static partial void Draining(ILogger logger, int remaining);

        [LoggerMessage(Level = LogLevel.Information, Message = "Waiting for requests to finish. Requests remaining: {Remaining}")]
        public static partial void Remaining(ILogger logger, int remaining);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Address:l}:{Port} - \"{Method:l} {Path:l} {Protocol:l}\" {Status} {Reason:l}")]
        public static partial void Access(ILogger logger, string? address, int port, string method, string path, string protocol, int status, string reason);
    }
}
