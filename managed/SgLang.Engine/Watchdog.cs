using System.Diagnostics;
using Microsoft.Extensions.Logging;
using SgLang.Core;

namespace SgLang.Engine;

/// <summary>
/// Looks whether steps go on while there is work. After the soft limit it reports; after the hard one it reports and gives the replica up, once.
/// </summary>
internal sealed partial class Watchdog : IDisposable
{
    private readonly Replica _replica;
    private readonly Action<EngineStalledException> _stalled;
    private readonly TimeSpan? _soft;
    private readonly TimeSpan _hard;
    private readonly ILogger _logger;
    private readonly FlightDumper _flight;
    private readonly Timer _timer;
    private long _busySince;
    private long _reported;

    /// <param name="stalled">Called on a pool thread when the replica is given up.</param>
    /// <param name="flight">Asked for a dump with each report.</param>
    public Watchdog(Replica replica, EngineOptions options, ILogger logger, FlightDumper flight, Action<EngineStalledException> stalled)
    {
        _replica = replica;
        _soft = options.SoftWatchdogTimeoutSeconds is { } soft ? TimeSpan.FromSeconds(soft) : null;
        _hard = TimeSpan.FromSeconds(options.WatchdogTimeoutSeconds);
        _logger = logger;
        _flight = flight;
        _stalled = stalled;
        TimeSpan period = TimeSpan.FromSeconds(Math.Clamp(Math.Min(_hard.TotalSeconds, _soft?.TotalSeconds ?? double.MaxValue) / 4, 0.02, 10));
        _timer = new Timer(_ => Look(), null, period, period);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (!_replica.HasRequests)
        {
            Volatile.Write(ref _busySince, 0);
            return;
        }
        long now = Stopwatch.GetTimestamp();
        Interlocked.CompareExchange(ref _busySince, now, 0);
        long last = Math.Max(Volatile.Read(ref _busySince), _replica.Loop.Heartbeat);
        TimeSpan age = Stopwatch.GetElapsedTime(last, now);
        if (age >= _hard)
        {
            _timer.Dispose();
            if (Interlocked.Exchange(ref _reported, long.MaxValue) == long.MaxValue) return;
            _flight.Trigger(FlightTrigger.Stall, 0, now - last, 0);
            Log.Stalled(_logger, age.TotalSeconds, _replica.Loop.Phase, StallReport.Threads());
            _stalled(new EngineStalledException($"No step has ended for {age.TotalSeconds:0.0} seconds ({_replica.Loop.Phase}); the limit is --watchdog-timeout."));
        }
        else if (_soft is { } soft && age >= soft && Interlocked.Exchange(ref _reported, last) < last)
        {
            _flight.Trigger(FlightTrigger.Stall, 0, now - last, 0);
            Log.Slow(_logger, age.TotalSeconds, _replica.Loop.Phase, StallReport.Threads());
        }
    }

    private static partial class Log
    {
        [LoggerMessage(40, LogLevel.Critical, "No step has ended for {Seconds:0.0} s ({Phase:l}); giving the replica up. Threads:{Threads:l}")]
        public static partial void Stalled(ILogger logger, double seconds, string phase, string threads);

        [LoggerMessage(41, LogLevel.Warning, "No step has ended for {Seconds:0.0} s ({Phase:l}). Threads:{Threads:l}")]
        public static partial void Slow(ILogger logger, double seconds, string phase, string threads);
    }
}
