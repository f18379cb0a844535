using System.Globalization;
using System.Threading.Channels;
using Serilog;
using Serilog.Configuration;
using Serilog.Core;
using Serilog.Events;
using Serilog.Parsing;

namespace SgLang.Server.Monitoring;

/// <summary>
/// Log lines written by a thread of their own: a terminal that is stopped, a pipe that nobody reads or a slow disk holds up neither requests nor the engine. What
/// would be more than <see cref="MostHeld"/> is dropped, and a line says how many were as soon as one can be written. Thread safe.
/// </summary>
/// <remarks>Serilog.Sinks.Async would wait for a stalled target at the end of the process for ever.</remarks>
internal sealed class BackgroundSink : ILogEventSink, IDisposable
{
    /// <summary>Characters of lines that wait.</summary>
    public const long MostHeld = 16 << 20;

    /// <summary>What an event takes beside the texts in it.</summary>
    private const int LeastSize = 256;

    /// <summary>For the last lines to be written at the end.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private static readonly MessageTemplate s_dropped =
        new MessageTemplateParser().Parse("{Count:l} lines of the log were dropped: what it is written to did not take them in time.");

    private readonly Channel<LogEvent> _queue = Channel.CreateUnbounded<LogEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Logger _target;
    private readonly Thread _thread;
    private readonly TimeSpan _patience;
    private long _held;
    private long _dropped;

    /// <param name="target">Writes; disposed with this.</param>
    /// <param name="patience">Longest wait for the last lines; 5 seconds when left out.</param>
    public BackgroundSink(Logger target, TimeSpan? patience = null)
    {
        _target = target;
        _patience = patience ?? s_patience;
        _thread = new Thread(Run) { Name = "sgl-log", IsBackground = true };
        _thread.Start();
        AppDomain.CurrentDomain.ProcessExit += OnExit;
    }

    /// <summary>A target behind a thread.</summary>
    /// <param name="configure">Adds the target's sink.</param>
    public static BackgroundSink Of(Func<LoggerSinkConfiguration, LoggerConfiguration> configure) =>
        new(configure(new LoggerConfiguration().MinimumLevel.Verbose().WriteTo).CreateLogger());

    public void Emit(LogEvent logEvent)
    {
        long size = Size(logEvent);
        if (Interlocked.Add(ref _held, size) <= MostHeld && _queue.Writer.TryWrite(logEvent)) return;
        Interlocked.Add(ref _held, -size);
        Interlocked.Increment(ref _dropped);
    }

    /// <summary>Writes what waits, as far as that is possible within the time.</summary>
    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        Finish();
    }

    private void OnExit(object? sender, EventArgs e) => Finish();

    private void Finish()
    {
        _queue.Writer.TryComplete();
        _thread.Join(_patience);
    }

    private void Run()
    {
        ChannelReader<LogEvent> reader = _queue.Reader;
        while (reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (reader.TryRead(out LogEvent? logEvent))
            {
                _target.Write(logEvent);
                Interlocked.Add(ref _held, -Size(logEvent));
                if (Interlocked.Exchange(ref _dropped, 0) is > 0 and long count) _target.Write(Dropped(count));
            }
        }
        _target.Dispose();
    }

    private static LogEvent Dropped(long count) =>
        new(DateTimeOffset.Now, LogEventLevel.Warning, null, s_dropped, [new LogEventProperty("Count", new ScalarValue(count.ToString(CultureInfo.InvariantCulture)))]);

    private static long Size(LogEvent logEvent)
    {
        long size = LeastSize;
        foreach (LogEventPropertyValue value in logEvent.Properties.Values)
            if (value is ScalarValue { Value: string text }) size += text.Length;
        return size;
    }
}
