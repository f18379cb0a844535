using System.CommandLine;
using SgLang.Cli.Parsing;
using SgLang.Profiling;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang merge-traces`: traces of several ranks, of this program or of PyTorch, into one file.</summary>
internal static class MergeTracesCommand
{
    public static FlagSet Flags { get; } = new(
        new Flag("--output", Text, "The file to write; merged-ID.trace.json.gz beside the first trace when left out."),
        new Flag("--profile-id", Text, "Of a directory, merge only this profile's traces."),
        new Flag("--num-ranks", Integer, "Ranks that there must be.") { Min = 1, Max = 1_000_000 },
        new Flag("--allow-missing", Switch, "Merge what is there when a trace is damaged or missing, and say so in the file."))
    {
        TakesOperands = true,
    };

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("merge-traces", "Merge traces of several ranks into one file.");
        Dictionary<string, Option> options = FlagValues.Bind(command, Flags);
        var operands = new Argument<string[]>("DIR|FILES") { Description = "A directory of traces named as the profiler names them, or the traces.", Arity = ArgumentArity.OneOrMore };
        command.Add(operands);
        command.SetAction(async (result, _) => await RunAsync(FlagValues.From(result, Flags, options), result.GetValue(operands) ?? [], output, error));
        return command;
    }

    internal static async Task<int> RunAsync(FlagValues flags, string[] operands, TextWriter output, TextWriter error)
    {
        string? id = flags.Text("--profile-id");
        List<string> paths = [];
        foreach (string operand in operands)
        {
            if (Directory.Exists(operand)) paths.AddRange(TraceMerger.Find(operand, id));
            else if (File.Exists(operand)) paths.Add(operand);
            else throw new UsageException($"{operand}: there is no such file or directory");
        }
        if (paths.Count == 0) throw new UsageException($"{string.Join(' ', operands)}: no trace is named ...-TP-N...{TraceFileNames.Extension}{(id is null ? "" : $" with profile id {id}")}");
        string target = flags.Text("--output") ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(paths[0]))!, $"merged-{id ?? NameOf(paths[0])}{TraceFileNames.Extension}");
        try
        {
            MergeReport report = TraceMerger.Merge(paths, target, flags.Integer("--num-ranks"), flags.Switch("--allow-missing"));
            await output.WriteLineAsync($"Merged trace: {report.Path} (Events: {report.NumEvents}, Files: {report.Ranks.Count(rank => rank.Error is null)})");
            foreach (MergedRank rank in report.Ranks.Where(rank => rank.Error is not null))
                await error.WriteLineAsync($"merge-traces: {rank.Path}: incomplete after {rank.NumEvents} events: {rank.Error}");
            return 0;
        }
        catch (Exception e) when (e is TraceMergeException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"merge-traces: {e.Message}");
            return 1;
        }
    }

    /// <summary>The part of a rank trace's name before its rank.</summary>
    private static string NameOf(string path)
    {
        string name = Path.GetFileName(path);
        int rank = name.IndexOf("-TP-", StringComparison.Ordinal);
        return rank > 0 ? name[..rank] : name.Split('.')[0];
    }
}
