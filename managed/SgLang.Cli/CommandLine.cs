using System.CommandLine;
using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;

namespace SgLang.Cli;

/// <summary>
/// The program `sglang`. Flags may be shortened to a unique prefix; that, configuration files and repeated flags are settled before the
/// parser sees the line. Exit codes: 0 done, 1 could not do it, 2 the command line is wrong.
/// </summary>
internal static class CommandLine
{
    private const int WrongUsage = 2;

    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("SgLang for .NET: serve large language models, and measure how fast.");
        var commands = new (Command Command, FlagSet Flags, bool TakesConfig)[]
        {
            (LaunchServerCommand.Create(), LaunchServerFlags.All, true),
            (SendOneCommand.Create(output, error), SendOneFlags.All, false),
            (BenchOneBatchCommand.Create(output, error), BenchOneBatchCommand.Flags, true),
            (BenchOneBatchServerCommand.Create(output, error), BenchOneBatchServerFlags.All, true),
            (BenchOfflineCommand.Create(output, error), BenchOfflineCommand.Flags, true),
            (BenchServingCommand.Create(output, error), BenchServingFlags.All, false),
            (BenchCompareCommand.Create(output), BenchCompareCommand.Flags, false),
            (ProfilerCommand.Create(output, error), ProfilerFlags.All, false),
            (MergeTracesCommand.Create(output, error), MergeTracesCommand.Flags, false),
            (AnalyzeTraceCommand.Create(output, error), AnalyzeTraceCommand.Flags, false),
        };
        foreach ((Command command, _, _) in commands) root.Add(command);

        string name = arguments.Length > 0 ? arguments[0] : "";
        try
        {
            string[] line = arguments;
            var (found, flags, takesConfig) = commands.FirstOrDefault(c => c.Command.Name == name || c.Command.Aliases.Contains(name));
            if (found is not null)
            {
                string[] rest = arguments[1..];
                bool wantsHelp = rest.Any(argument => argument is "--help" or "-h" or "-?");
                line = wantsHelp ? [name, "--help"] : [name, .. flags.Canonicalize(takesConfig ? ConfigFile.Expand(rest) : rest)];
            }
            else if (name == "--version" && arguments.Length == 1)
            {
                await output.WriteLineAsync($"sglang {typeof(CommandLine).Assembly.GetName().Version?.ToString(3)}");
                return 0;
            }
            else if (name is not ("--help" or "-h" or "-?"))
            {
                throw new UsageException(
                    $"{(name.Length == 0 ? "a command is missing" : $"unknown command '{name}'")}; one of: {string.Join(", ", commands.Select(c => c.Command.Name))}");
            }
            ParseResult result = root.Parse(line, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
            if (result.Errors.Count > 0) throw new UsageException(string.Join(Environment.NewLine, result.Errors.Select(e => e.Message)));
            return await result.InvokeAsync(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (UsageException e)
        {
            await error.WriteLineAsync($"sglang{(name.Length > 0 ? $" {name}" : "")}: {e.Message}");
            await error.WriteLineAsync($"Run 'sglang {(commands.Any(c => c.Command.Name == name || c.Command.Aliases.Contains(name)) ? $"{name} " : "")}--help' for what there is.");
            return WrongUsage;
        }
    }
}
