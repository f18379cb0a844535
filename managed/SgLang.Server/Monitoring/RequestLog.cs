using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Configuration;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>
/// One line when a request comes and one when it ends, in as much detail as --log-requests-level asks for, as text or JSON, to standard output
/// and to folders.
/// </summary>
internal sealed partial class RequestLog : IDisposable
{
    /// <summary>Characters of a text, and ids of a prompt, that level 2 shows.</summary>
    public const int MaxText = 2048;

    private readonly List<Action<string>> _targets = [];
    private readonly List<Serilog.Core.Logger> _loggers = [];
    private readonly int _level;
    private readonly bool _isJson;

    private RequestLog(int level, bool isJson)
    {
        _level = level;
        _isJson = isJson;
    }

    public bool IsOn => _targets.Count > 0;

    /// <summary>Whether the lines show texts and ids.</summary>
    public bool ShowsText => IsOn && _level >= 2;

    /// <exception cref="ServerStartException">A folder cannot be written to.</exception>
    public static RequestLog Create(Microsoft.Extensions.Logging.ILogger log, ServerOptions options)
    {
        var made = new RequestLog(options.LogRequestsLevel, options.LogRequestsAsJson);
        if (!options.LogRequests) return made;
        foreach (string target in options.LogRequestsTargets is { Count: > 0 } given ? given : ["stdout"])
        {
            if (target != "stdout") made.AddFolder(target);
            // A line for programs has no time before it.
            else if (options.LogRequestsAsJson) made.Add(target => target.Console(new ServerLog.BareFormatter()));
            else made._targets.Add(line => Log.Line(log, line));
        }
        return made;
    }

    public void Received(GenerationRequest request)
    {
        if (IsOn) Write(_isJson ? RequestLogJson.Receive(request, _level, DateTimeOffset.Now) : RequestLogText.Receive(request, _level));
    }

    public void Finished(GenerationRequest request, Generation generation, FinishReason? finish, string text)
    {
        if (!IsOn) return;
        Write(_isJson
            ? RequestLogJson.Finish(request, generation, finish, text, _level, DateTimeOffset.Now)
            : RequestLogText.Finish(generation, finish, text, _level));
    }

    public void Dispose()
    {
        foreach (Serilog.Core.Logger logger in _loggers) logger.Dispose();
    }

    /// <summary>The middle of a long text is left out below level 3.</summary>
    internal static string Cut(string text, int level) => level >= 3 || text.Length <= MaxText ? text : $"{text[..(MaxText / 2)]} ... {text[^(MaxText / 2)..]}";

    private void AddFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, $".{Guid.NewGuid():N}");
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ServerStartException($"--log-requests-target must be stdout or a folder that can be written to, got '{folder}': {e.Message}", e);
        }
        // Several servers may share a folder.
        string path = Path.Combine(folder, $"requests-{Environment.MachineName}-{Environment.ProcessId}-.log");
        Add(target => target.File(_isJson ? new ServerLog.BareFormatter() : new ServerLog.LineFormatter(), path, rollingInterval: RollingInterval.Hour,
            fileSizeLimitBytes: null, retainedFileCountLimit: null, shared: true));
    }

    private void Add(Func<LoggerSinkConfiguration, LoggerConfiguration> target)
    {
        Serilog.Core.Logger logger = new LoggerConfiguration().WriteTo.Sink(BackgroundSink.Of(target)).CreateLogger();
        _loggers.Add(logger);
        _targets.Add(line => logger.Information("{Line:l}", line));
    }

    private void Write(string line)
    {
        foreach (Action<string> target in _targets) target(line);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Line:l}")]
        public static partial void Line(Microsoft.Extensions.Logging.ILogger logger, string line);
    }
}
