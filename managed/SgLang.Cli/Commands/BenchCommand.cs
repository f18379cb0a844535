using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using SgLang.Bench;
using SgLang.Cli.Parsing;
using SgLang.Engine;
using SgLang.Server;

namespace SgLang.Cli.Commands;

/// <summary>What the benchmark commands have in common.</summary>
internal static class BenchCommand
{
    public const string NoProfiler = "profiling inside this tool is not implemented yet; profile a server, with bench-serving --profile";

    /// <summary>A command over a set of flags whose failures are one line on stderr and exit code 1.</summary>
    public static Command Create(string name, string help, FlagSet flags, TextWriter error, Func<FlagValues, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, help);
        Dictionary<string, Option> options = FlagValues.Bind(command, flags);
        command.SetAction(async (result, cancellation) =>
        {
            try
            {
                FlagValues values = FlagValues.From(result, flags, options);
                foreach ((string flag, string reason) in values.WithoutEffect()) await error.WriteLineAsync($"{name}: {flag} has no effect: {reason}.");
                return await run(values, cancellation);
            }
            catch (Exception e) when (e is BenchException or EngineStartException)
            {
                await error.WriteLineAsync($"{name}: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    /// <summary>The engine that launch-server's flags among these describe.</summary>
    public static LaunchServerSettings Engine(FlagValues flags) => LaunchServerSettings.From(flags, () => DemoModel.Find(AppContext.BaseDirectory));

    /// <summary>Warnings and errors of the engine; what it reports of its steps would disturb a measurement.</summary>
    public static ILoggerFactory Log(LaunchServerSettings settings) =>
        ServerLog.Create(settings.LogLevel is "info" ? "warning" : settings.LogLevel, settings.LogLevelHttp, settings.LogFile);

    /// <summary>Value of the Authorization header: the key given, else OPENAI_API_KEY as a bearer's, else API_KEY as it is.</summary>
    public static string? Authorization(FlagValues flags) =>
        (flags.Text("--api-key") ?? Environment.GetEnvironmentVariable("OPENAI_API_KEY")) is { Length: > 0 } key ? $"Bearer {key}"
        : Environment.GetEnvironmentVariable("API_KEY") is { Length: > 0 } whole ? whole
        : null;

    public static Uri Address(string url, string flag) => Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && (address.Scheme is "http" or "https")
        ? address
        : throw new UsageException($"{flag}: must be an http or https URL, got '{url}'");

    /// <summary>All arguments as result lines show them, without keys.</summary>
    public static JsonObject Shown(FlagValues flags)
    {
        JsonObject arguments = flags.ToJson();
        foreach (string key in new[] { "api_key", "admin_api_key" })
            if (arguments[key] is not null) arguments[key] = "***";
        return arguments;
    }

    public static LoadProgress Progress(TextWriter error) => new(error, error == Console.Error && !Console.IsErrorRedirected);
}
