using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// Writes the flight recorder's last seconds to trace files: when asked to, from any thread, or when something has triggered it, on the thread
/// pool. Serving goes on.
/// </summary>
public sealed partial class FlightDumper : IThreadPoolWorkItem
{
    /// <summary>Without being asked; a machine that is slow all the time must not fill its disk.</summary>
    private const int MaxTriggered = 20;

    /// <summary>After a triggered dump, what triggers another is part of the same story.</summary>
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(60);

    private readonly EngineProfiler _profiler;
    private readonly FlightRecorderOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private (FlightTrigger Kind, long Step, long Value, long Limit) _trigger;
    private int _isTriggered;
    private int _numTriggered;
    private long _quietUntil;

    internal FlightDumper(EngineProfiler profiler, FlightRecorderOptions options, ILogger logger, TimeProvider? time = null)
    {
        _profiler = profiler;
        _options = options;
        _logger = logger;
        _time = time ?? TimeProvider.System;
        Recorder = new FlightRecorder(profiler.Recorder, options.Seconds > 0 ? FlightRecorder.DefaultCapacity : 0);
    }

    internal FlightRecorder Recorder { get; }

    public bool IsOn => Recorder.IsOn;

    /// <summary>How far a dump goes back that does not say.</summary>
    public TimeSpan DefaultLength => TimeSpan.FromSeconds(_options.Seconds);

    /// <summary>Where a dump goes that does not say.</summary>
    public string DefaultDirectory => _options.Directory ?? (Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR") is { Length: > 0 } set ? set : "/tmp");

    /// <summary>Writes what ended within the last while, a file for each rank.</summary>
    /// <param name="reason">For the reader of the file.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public FlightDump Dump(string reason, string? directory = null, TimeSpan? last = null, string? id = null)
    {
        lock (_gate)
        {
            TimeSpan length = last ?? DefaultLength;
            FlightRecords records = Recorder.Copy(length);
            ProfileOptions options = new()
            {
                OutputDirectory = Path.GetFullPath(directory ?? DefaultDirectory),
                Id = id ?? (_time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0).ToString("0.000", CultureInfo.InvariantCulture),
                Prefix = "flight",
                Activities = ["CPU"],
                RecordShapes = false,
                WithStack = false,
            };
            List<string> notes = [$"Dumped from the flight recorder: {reason}."];
            if (records.IsCut) notes.Add(string.Create(CultureInfo.InvariantCulture, $"{length.TotalSeconds:0.###} s were asked for; the recorder's memory held no more than {records.Duration.TotalSeconds:0.###} s of steps."));
            notes.Add("Spans of the tracks named after a rank and \"device\" are a step's time on the device by events in its stream, and end when the host saw its end.");
            Directory.CreateDirectory(options.OutputDirectory);
            TraceFileInfo common = new()
            {
                Options = options,
                Rank = new RankCoordinates(0),
                FirstStep = records.FirstStep,
                LastStep = records.LastStep,
                NumSteps = records.NumSteps,
                Notes = notes,
            };
            List<string> files = [];
            for (int rank = 0; rank < _profiler.Places.Count; rank++) files.Add(ChromeTraceWriter.Write(records, _profiler.Places.Of(rank, common)).Path);
            FlightDump dump = new(options.Id, options.OutputDirectory, files, reason, records.FirstStep, records.LastStep, records.NumSteps, records.Duration);
            _profiler.Add(dump);
            Log.Dumped(_logger, reason, files[0]);
            return dump;
        }
    }

    /// <summary>As <see cref="Dump"/>, where nobody waits for an answer: what goes wrong is logged, and the process goes on.</summary>
    public void TryDump(string reason)
    {
        try
        {
            Dump(reason);
        }
        catch (Exception error)
        {
            Log.Failed(_logger, error);
        }
    }

    /// <summary>Asks for a dump and returns at once; nothing happens within a minute of the last one.</summary>
    /// <param name="value">What was seen, in stopwatch ticks.</param>
    /// <param name="limit">What it is compared with, likewise.</param>
    internal void Trigger(FlightTrigger kind, long step, long value, long limit)
    {
        if (!IsOn || Volatile.Read(ref _numTriggered) >= MaxTriggered || _time.GetTimestamp() < Volatile.Read(ref _quietUntil)) return;
        if (Interlocked.Exchange(ref _isTriggered, 1) != 0) return;
        _trigger = (kind, step, value, limit);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        TryDump(Describe(_trigger));
        _numTriggered++;
        Volatile.Write(ref _quietUntil, _time.GetTimestamp() + (long)(s_quiet.TotalSeconds * _time.TimestampFrequency));
        Volatile.Write(ref _isTriggered, 0);
    }

    private static string Describe((FlightTrigger Kind, long Step, long Value, long Limit) trigger)
    {
        double value = Milliseconds(trigger.Value), limit = Milliseconds(trigger.Limit);
        return trigger.Kind switch
        {
            FlightTrigger.SlowStep => string.Create(CultureInfo.InvariantCulture, $"step {trigger.Step} took {value:0.###} ms, {value / Math.Max(limit, 1e-6):0.#} times the median of {limit:0.###} ms"),
            FlightTrigger.FirstToken => string.Create(CultureInfo.InvariantCulture, $"a first token came {value:0.###} ms after its request, with a limit of {limit:0.###} ms"),
            _ => string.Create(CultureInfo.InvariantCulture, $"no step has ended for {value:0.###} ms"),
        };

        static double Milliseconds(long ticks) => Stopwatch.GetElapsedTime(0, ticks).TotalMilliseconds;
    }

    private static partial class Log
    {
        [LoggerMessage(45, LogLevel.Information, "Flight record: {Reason:l}. Written to {Path:l}")]
        public static partial void Dumped(ILogger logger, string reason, string path);

        [LoggerMessage(46, LogLevel.Error, "The flight record could not be written")]
        public static partial void Failed(ILogger logger, Exception error);
    }
}
