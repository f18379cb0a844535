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
    private readonly StallJudge _judge;
    private readonly Lock _gate = new(); // a look may take longer than the time to the next one
    private readonly ILogger _logger;
    private readonly FlightDumper _flight;
    private readonly Timer _timer;
    private bool _hasGivenUp;

    /// <param name="stalled">Called on a pool thread when the replica is given up.</param>
    /// <param name="flight">Asked for a dump with each report.</param>
    public Watchdog(Replica replica, EngineOptions options, ILogger logger, FlightDumper flight, Action<EngineStalledException> stalled)
    {
        _replica = replica;
        TimeSpan? soft = options.SoftWatchdogTimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        TimeSpan hard = TimeSpan.FromSeconds(options.WatchdogTimeoutSeconds);
        _judge = new StallJudge(soft, hard, TimeProvider.System);
        _logger = logger;
        _flight = flight;
        _stalled = stalled;
        TimeSpan period = TimeSpan.FromSeconds(Math.Clamp(Math.Min(hard.TotalSeconds, soft?.TotalSeconds ?? double.MaxValue) / 4, 0.02, 10));
        _timer = new Timer(_ => Look(), null, period, period);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        StallVerdict verdict;
        TimeSpan age;
        lock (_gate)
        {
            if (_hasGivenUp) return;
            verdict = _judge.Judge(_replica.HasRequests, _replica.Loop.Heartbeat, out age);
            _hasGivenUp = verdict == StallVerdict.GiveUp;
        }
        if (verdict == StallVerdict.None) return;
        _flight.Trigger(FlightTrigger.Stall, 0, (long)(age.TotalSeconds * TimeProvider.System.TimestampFrequency), 0);
        if (verdict == StallVerdict.Report)
        {
            Log.Slow(_logger, age.TotalSeconds, _replica.Loop.Phase, StallReport.Threads());
            return;
        }
        _timer.Dispose();
        Log.Stalled(_logger, age.TotalSeconds, _replica.Loop.Phase, StallReport.Threads());
        _stalled(new EngineStalledException($"No step has ended for {age.TotalSeconds:0.0} seconds ({_replica.Loop.Phase}); the limit is --watchdog-timeout."));
    }

    private static partial class Log
    {
        [LoggerMessage(40, LogLevel.Critical, "No step has ended for {Seconds:0.0} s ({Phase:l}); giving the replica up. Threads:{Threads:l}")]
        public static partial void Stalled(ILogger logger, double seconds, string phase, string threads);

        [LoggerMessage(41, LogLevel.Warning, "No step has ended for {Seconds:0.0} s ({Phase:l}). Threads:{Threads:l}")]
        public static partial void Slow(ILogger logger, double seconds, string phase, string threads);
    }
}
