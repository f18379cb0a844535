using System.CommandLine;
using SgLang.Cli.Parsing;
using SgLang.Profiling;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang merge-traces`: traces of several ranks, of this program or of PyTorch, into one file.</summary>
internal static class MergeTracesCommand
{
    public static FlagSet Flags { get; } = new(
        new Flag("--output", Text, "The file to write; merged-ID.trace.json.gz or .pftrace beside the first trace when left out."),
        new Flag("--profile-id", Text, "Of a directory, merge only this profile's traces."),
        new Flag("--num-ranks", Integer, "Ranks that there must be; what the traces say of their world's size when left out.") { Min = 1, Max = 1_000_000 },
        new Flag("--wait", Number, "Seconds to wait until --num-ranks traces are in the directory.") { Default = "0", Min = 0, Max = 86400 },
        new Flag("--allow-missing", Switch, "Merge what is there when a trace is damaged or missing, and say so in the file."),
        new Flag("--format", Text, "json is what Perfetto, chrome://tracing, HTA and TraceLens read; pftrace is Perfetto's own.") { Default = "json", Choices = ["json", "pftrace"] },
        new Flag("--string-pids", Switch, "Write process ids as texts like \"[TP00] 4711\", as SGLang's merger does."))
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
        try
        {
            TraceFormat format = flags.Text("--format") == "pftrace" ? TraceFormat.Pftrace : TraceFormat.Json;
            if (format == TraceFormat.Pftrace && flags.Switch("--string-pids")) throw new UsageException("--string-pids: --format pftrace has no texts for process ids; leave one out");
            IReadOnlyList<RankGroup> groups = Groups(flags, operands);
            if (groups.Count > 1 && flags.IsGiven("--output"))
                throw new UsageException($"--output: there are {groups.Count} files to write ({string.Join(", ", groups.Select(group => group.MergedName(format)))}); leave it out, or name one with --profile-id");
            foreach (RankGroup group in groups) await MergeAsync(group, format, flags, output, error);
            return 0;
        }
        catch (Exception e) when (e is TraceMergeException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"merge-traces: {e.Message}");
            return 1;
        }
    }

    private static async Task MergeAsync(RankGroup group, TraceFormat format, FlagValues flags, TextWriter output, TextWriter error)
    {
        string target = flags.Text("--output") ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(group.Paths[0]))!, group.MergedName(format));
        MergeReport report = TraceMerger.Merge(group.Paths, target, new MergeOptions
        {
            ExpectedRanks = flags.Integer("--num-ranks"),
            AllowMissing = flags.Switch("--allow-missing"),
            Format = format,
            StringPids = flags.Switch("--string-pids"),
        });
        await output.WriteLineAsync($"Merged trace: {report.Path} (Events: {report.NumEvents}, Files: {report.Ranks.Count(rank => rank.Error is null)})");
        if (report.NumMissing > 0) await error.WriteLineAsync($"merge-traces: {report.NumMissing} ranks are missing");
        foreach (MergedRank rank in report.Ranks.Where(rank => rank.Error is not null))
            await error.WriteLineAsync($"merge-traces: {rank.Path}: incomplete after {rank.NumEvents} events: {rank.Error}");
    }

    private static IReadOnlyList<RankGroup> Groups(FlagValues flags, string[] operands)
    {
        string? id = flags.Text("--profile-id");
        bool hasDirectory = false;
        foreach (string operand in operands)
        {
            hasDirectory |= Directory.Exists(operand);
            if (!Directory.Exists(operand) && !File.Exists(operand)) throw new UsageException($"{operand}: there is no such file or directory");
        }
        double wait = flags.Number("--wait")!.Value;
        if (wait > 0 && flags.Integer("--num-ranks") is null) throw new UsageException("--wait: needs --num-ranks, how many traces to wait for");
        string[] paths = wait > 0 ? RankFiles.WaitFor(List, flags.Integer("--num-ranks")!.Value, TimeSpan.FromSeconds(wait), TimeProvider.System) : List();
        if (paths.Length == 0) throw new UsageException($"{string.Join(' ', operands)}: no trace is named ...-TP-N...{TraceFileNames.Extension}{(id is null ? "" : $" with profile id {id}")}");
        IReadOnlyList<RankGroup> groups = RankFiles.Group(paths);
        // Files that are named one by one belong together, whatever their names.
        return hasDirectory ? groups : [new RankGroup(groups[0].Name, groups.All(group => group.Stage == groups[0].Stage) ? groups[0].Stage : "", paths)];

        string[] List() => [.. operands.SelectMany(operand => Directory.Exists(operand) ? RankFiles.Find(operand, id) : [operand])];
    }
}
