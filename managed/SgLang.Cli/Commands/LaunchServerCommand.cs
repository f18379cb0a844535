using System.CommandLine;
using Microsoft.Extensions.Logging;
using SgLang.Cli.Parsing;
using SgLang.Server;

namespace SgLang.Cli.Commands;

/// <summary>`sglang launch-server`: load a model and serve it until a signal comes.</summary>
internal static partial class LaunchServerCommand
{
    public static Command Create()
    {
        var command = new Command("launch-server", "Load a model and serve it over HTTP.");
        command.Aliases.Add("serve");
        Dictionary<string, Option> options = FlagValues.Bind(command, LaunchServerFlags.All);
        command.SetAction((result, _) => RunAsync(FlagValues.From(result, LaunchServerFlags.All, options)));
        return command;
    }

    private static async Task<int> RunAsync(FlagValues flags)
    {
        LaunchServerSettings settings = LaunchServerSettings.From(flags, () => DemoModel.Find(AppContext.BaseDirectory));
        using ILoggerFactory logs = OpenLog(settings);
        ILogger log = logs.CreateLogger("SgLang.Cli");
        foreach ((string name, string reason) in flags.WithoutEffect()) Log.NoEffect(log, name, reason);
        var progress = new LoadProgress(Console.Error, !Console.IsErrorRedirected);
        return await ServerProgram.RunAsync(settings.Engine, settings.Server, logs, progress.Report, progress.Finish);
    }

    private static ILoggerFactory OpenLog(LaunchServerSettings settings)
    {
        try
        {
            return ServerLog.Create(settings.LogLevel, settings.LogLevelHttp, settings.LogFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--log-file: cannot write '{settings.LogFile}': {e.Message}");
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Flag:l} has no effect: {Reason:l}.")]
        public static partial void NoEffect(ILogger logger, string flag, string reason);
    }
}
