using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using SgLang.Engine;

namespace SgLang.Server;

/// <summary>
/// Waits for the end and brings it about: a first SIGTERM or SIGINT drains, a second ends at once; a dead engine brings the server down.
/// </summary>
public sealed partial class ServerLifetime : IDisposable
{
    /// <summary>`timeout`, shells and supervisors signal a process and then its group: what comes this soon is the same wish.</summary>
    private static readonly TimeSpan s_sameSignal = TimeSpan.FromMilliseconds(500);

    private readonly ServerOptions _options;
    private readonly ILogger _log;
    private readonly PosixSignalRegistration[] _registrations;
    private readonly TaskCompletionSource<PosixSignal> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _firstSignal;

    /// <summary>Signals count from here on, so that one that comes while the model loads is not lost.</summary>
    public ServerLifetime(ServerOptions options, ILoggerFactory logs)
    {
        _options = options;
        _log = logs.CreateLogger("SgLang.Server");
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stopping => _stopping.Token;

    private readonly CancellationTokenSource _stopping = new();

    /// <summary>The program's exit code: 0 after a signal, 1 when the engine died.</summary>
    public async Task<int> RunAsync(ServerHost host, InferenceEngine engine)
    {
        while (!_first.Task.IsCompleted)
        {
            if (!engine.IsAlive)
            {
                Log.EngineDied(_log, engine.Fault);
                if (engine.Fault is EngineStalledException) await EndStalledAsync(host);
                return 1;
            }
            await Task.WhenAny(_first.Task, Task.Delay(200));
        }
        bool isUnhealthy = host.Status == ServerStatus.UnHealthy;
        if (_options.ForceShutdown || isUnhealthy)
        {
            host.AbortAll();
            return 0;
        }
        await host.DrainAsync();
        if (!engine.IsAlive)
        {
            Log.EngineDied(_log, engine.Fault);
            return 1;
        }
        Log.Drained(_log);
        return 0;
    }

    /// <summary>Threads that hang cannot be waited for: the answers that say so are sent, and then the process goes.</summary>
    private static async Task EndStalledAsync(ServerHost host)
    {
        await Task.WhenAny(host.DisposeAsync().AsTask(), Task.Delay(TimeSpan.FromSeconds(2)));
        Environment.Exit(1);
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _stopping.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        long first = Interlocked.CompareExchange(ref _firstSignal, Stopwatch.GetTimestamp(), 0);
        if (first != 0)
        {
            if (Stopwatch.GetElapsedTime(first) < s_sameSignal) return;
            // The convention of shells: 128 and the signal's number.
            Environment.Exit(128 + (context.Signal == PosixSignal.SIGINT ? 2 : 15));
            return;
        }
        _first.TrySetResult(context.Signal);
        _stopping.Cancel();
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Critical, Message = "The engine has stopped; shutting down.")]
        public static partial void EngineDied(ILogger logger, Exception? fault);

        [LoggerMessage(Level = LogLevel.Information, Message = "All requests have finished. Goodbye.")]
        public static partial void Drained(ILogger logger);
    }
}
