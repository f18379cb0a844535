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
    /// <summary>Where traces of an engine in this process go, where --profile is a switch of the tool itself.</summary>
    public static Flag TraceDirectoryFlag { get; } = new("--profile-output-dir", FlagKind.Text, "Directory of the traces; default: SGLANG_TORCH_PROFILER_DIR, or /tmp.");

    public static string TraceDirectory(FlagValues flags) => Path.GetFullPath(
        (flags.Text("--profile-output-dir") ?? Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR")) is { Length: > 0 } directory ? directory : "/tmp");

    public static IReadOnlyList<string> Activities(FlagValues flags) => flags.IsGiven("--profile-activities") ? flags.List("--profile-activities") : ["CPU", "GPU"];

    /// <summary>A command over a set of flags whose failures are one line on stderr and exit code 1, or 2 where what was asked for cannot be done.</summary>
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
            catch (BenchUsageException e)
            {
                throw new UsageException(e.Message);
            }
            catch (Exception e) when (e is BenchException or EngineStartException or StepFailedException)
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
