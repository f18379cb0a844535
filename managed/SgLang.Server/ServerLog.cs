using System.Globalization;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting;
using SgLang.Engine;
using SgLang.Server.Monitoring;

namespace SgLang.Server;

/// <summary>
/// Where log lines go and how they look: <c>[2026-11-24 10:15:00] message</c>, and <c>[2026-11-24 10:15:00 TP0] message</c> for those of a scheduler,
/// which scripts and dashboards parse.
/// </summary>
public static class ServerLog
{
    public static readonly string[] Levels = ["debug", "info", "warning", "error", "critical"];

    /// <param name="level">One of <see cref="Levels"/>.</param>
    /// <param name="httpLevel">Of the access log.</param>
    /// <param name="file">Also written to; null means the console alone.</param>
    public static ILoggerFactory Create(string level, string httpLevel, string? file = null, TextWriter? console = null)
    {
        LoggerConfiguration configuration = new LoggerConfiguration()
            .MinimumLevel.Is(Parse(level))
            .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
            .MinimumLevel.Override(ServerHost.AccessLogCategory, Parse(httpLevel));
        configuration = configuration.WriteTo.Sink(BackgroundSink.Of(target => console is null
            ? target.Console(new LineFormatter())
            : target.Sink(new WriterSink(console))));
        if (file is not null) configuration = configuration.WriteTo.Sink(BackgroundSink.Of(target => target.File(new LineFormatter(), file, shared: true)));
        return new SerilogLoggerFactory(configuration.CreateLogger(), dispose: true);
    }

    private static LogEventLevel Parse(string level) => level.ToLowerInvariant() switch
    {
        "debug" => LogEventLevel.Debug,
        "info" => LogEventLevel.Information,
        "warning" => LogEventLevel.Warning,
        "error" => LogEventLevel.Error,
        _ => LogEventLevel.Fatal,
    };

    /// <summary>Information is the bare line; what is worse says so.</summary>
    internal sealed class LineFormatter : ITextFormatter
    {
        public void Format(LogEvent logEvent, TextWriter output)
        {
            output.Write(logEvent.Timestamp.ToString("'['yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
            if (logEvent.Properties.TryGetValue(InferenceEngine.LogRankProperty, out LogEventPropertyValue? rank) && rank is ScalarValue { Value: string name })
            {
                output.Write(' ');
                output.Write(name);
            }
            output.Write("] ");
            string? level = logEvent.Level switch
            {
                LogEventLevel.Warning => "WARNING: ",
                LogEventLevel.Error => "ERROR: ",
                LogEventLevel.Fatal => "CRITICAL: ",
                LogEventLevel.Information => null,
                _ => "DEBUG: ",
            };
            output.Write(level);
            output.WriteLine(logEvent.RenderMessage(CultureInfo.InvariantCulture));
            if (logEvent.Exception is not null) output.WriteLine(logEvent.Exception);
        }
    }

    /// <summary>The message alone, for lines that programs read.</summary>
    internal sealed class BareFormatter : ITextFormatter
    {
        public void Format(LogEvent logEvent, TextWriter output) => output.WriteLine(logEvent.RenderMessage(CultureInfo.InvariantCulture));
    }

    private sealed class WriterSink(TextWriter writer) : ILogEventSink
    {
        private readonly LineFormatter _formatter = new();

        public void Emit(LogEvent logEvent) => _formatter.Format(logEvent, writer);
    }
}
