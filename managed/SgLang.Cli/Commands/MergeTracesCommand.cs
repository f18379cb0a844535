using System.CommandLine;
using System.Globalization;
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
        new Flag("--from", TextList, "URLs of servers to fetch the traces of --profile-id from, for machines that share no storage; their clocks are measured and the times moved."),
        new Flag("--api-key", Text, "Sent to those servers as Authorization: Bearer KEY."),
        new Flag("--num-ranks", Integer, "Ranks that there must be; what the traces say of their world's size when left out.") { Min = 1, Max = 1_000_000 },
        new Flag("--wait", Number, "Seconds to wait until --num-ranks traces are in the directory, or until the servers of --from have the profile.") { Default = "0", Min = 0, Max = 86400 },
        new Flag("--allow-missing", Switch, "Merge what is there when a trace is damaged or missing, and say so in the file."),
        new Flag("--format", Text, "json is what Perfetto, chrome://tracing, HTA and TraceLens read; pftrace is Perfetto's own.") { Default = "json", Choices = ["json", "pftrace"] },
        new Flag("--string-pids", Switch, "Write process ids as texts like \"[TP00] 4711\", as SGLang's merger does."))
    {
        TakesOperands = true,
    };

    private static IReadOnlyDictionary<string, ClockOffset> NoClocks { get; } = new Dictionary<string, ClockOffset>();

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("merge-traces", "Merge traces of several ranks into one file.");
        Dictionary<string, Option> options = FlagValues.Bind(command, Flags);
        var operands = new Argument<string[]>("DIR|FILES") { Description = "A directory of traces named as the profiler names them (or the newest window below it), or the traces.", Arity = ArgumentArity.ZeroOrMore };
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
            if (flags.List("--from") is { Length: > 0 } urls)
            {
                await MergeRemoteAsync(urls, format, operands, flags, output, error);
                return 0;
            }
            IReadOnlyList<RankGroup> groups = Groups(flags, operands);
            if (groups.Count > 1 && flags.IsGiven("--output"))
                throw new UsageException($"--output: there are {groups.Count} files to write ({string.Join(", ", groups.Select(group => group.MergedName(format)))}); leave it out, or name one with --profile-id");
            foreach (RankGroup group in groups)
                await MergeAsync(group, flags.Text("--output") ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(group.Paths[0]))!, group.MergedName(format)), format, NoClocks, flags, output, error);
            return 0;
        }
        catch (Exception e) when (e is TraceMergeException or HttpRequestException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"merge-traces: {e.Message}");
            return 1;
        }
    }

    /// <summary>Fetches from all servers at once into a directory that goes away again; the merged files go where the command is.</summary>
    private static async Task MergeRemoteAsync(string[] urls, TraceFormat format, string[] operands, FlagValues flags, TextWriter output, TextWriter error)
    {
        string id = flags.Text("--profile-id") ?? throw new UsageException("--from: needs --profile-id, which profile to fetch");
        if (operands.Length > 0) throw new UsageException($"{operands[0]}: --from fetches the traces; leave files and directories out");
        if (urls.Distinct().Count() < urls.Length) throw new UsageException($"--from: names a server twice: {string.Join(' ', urls)}");
        string directory = Directory.CreateTempSubdirectory("sglang-merge").FullName;
        try
        {
            RemoteTraces[] fetched = await Task.WhenAll(urls.Select((url, i) =>
                RemoteTraces.FetchAsync(url, flags.Text("--api-key"), id, Directory.CreateDirectory(Path.Combine(directory, $"{i}")).FullName, TimeSpan.FromSeconds(flags.Number("--wait")!.Value))));
            Dictionary<string, ClockOffset> clocks = [];
            foreach (RemoteTraces one in fetched)
            {
                foreach (string path in one.Paths) clocks.Add(path, one.Clock);
                await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{one.Url}: {one.Paths.Count} traces, its clock is {one.Clock.Nanoseconds / 1e3:+0.0;-0.0;0.0} us from ours, at most {one.Clock.ErrorNanoseconds / 1e3:0.0} us wrong"));
            }
            IReadOnlyList<RankGroup> groups = RankFiles.Group(clocks.Keys);
            if (groups.Count > 1 && flags.IsGiven("--output"))
                throw new UsageException($"--output: there are {groups.Count} files to write ({string.Join(", ", groups.Select(group => group.MergedName(format)))}); leave it out");
            foreach (RankGroup group in groups) await MergeAsync(group, flags.Text("--output") ?? Path.GetFullPath(group.MergedName(format)), format, clocks, flags, output, error);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task MergeAsync(
        RankGroup group, string target, TraceFormat format, IReadOnlyDictionary<string, ClockOffset> clocks, FlagValues flags, TextWriter output, TextWriter error)
    {
        MergeReport report = TraceMerger.Merge(group.Paths, target, new MergeOptions
        {
            ExpectedRanks = flags.Integer("--num-ranks"),
            AllowMissing = flags.Switch("--allow-missing"),
            Format = format,
            ClockOffsets = clocks,
            StringPids = flags.Switch("--string-pids"),
        });
        await output.WriteLineAsync($"Merged trace: {report.Path} (Events: {report.NumEvents}, Files: {report.Ranks.Count(rank => rank.Error is null)})");
        if (report.NumMissing > 0) await error.WriteLineAsync($"merge-traces: {report.NumMissing} ranks are missing");
        foreach (MergedRank rank in report.Ranks.Where(rank => rank.Error is not null))
            await error.WriteLineAsync($"merge-traces: {rank.Path}: incomplete after {rank.NumEvents} events: {rank.Error}");
    }

    private static IReadOnlyList<RankGroup> Groups(FlagValues flags, string[] operands)
    {
        if (operands.Length == 0) throw new UsageException("nothing to merge: name a directory, traces, or servers with --from");
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
