using System.CommandLine;
using System.Text;
using System.Text.Json;
using SgLang.Cli.Parsing;
using SgLang.Profiling;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang analyze-trace`: where the time of a trace goes, and what changed against another.</summary>
internal static class AnalyzeTraceCommand
{
    /// <summary>Neither a failure nor a wrong command line: the other trace was faster.</summary>
    internal const int Slower = 3;

    public static FlagSet Flags { get; } = new(
        new Flag("--diff", Text, "Another trace, or a directory of traces, to compare with: the one from before. Exit code 3 when this one is slower."),
        new Flag("--threshold", Number, "Percent that a mean may change before --diff calls it slower or faster; scatter is allowed for besides.") { Default = "5", Min = 0, Max = 1000 },
        new Flag("--html", Text, "Also write one page with pictures, which needs nothing else."),
        new Flag("--json", Switch, "Print JSON instead of tables."),
        new Flag("--top", Integer, "Rows of each table.") { Default = "15", Min = 1, Max = int.MaxValue },
        new Flag("--peak-bandwidth", Number, "GB/s of the device's memory, where the table of known devices lacks it or is to be overruled.") { Min = 0.001, Max = 1e9 },
        new Flag("--peak-tflops", Number, "TFLOP/s of the device's dense products, likewise.") { Min = 0.001, Max = 1e9 })
    {
        TakesOperands = true,
    };

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("analyze-trace", "Say where the time of a trace goes: layers, operators, idle devices, steps.");
        Dictionary<string, Option> options = FlagValues.Bind(command, Flags);
        var operands = new Argument<string[]>("FILES|DIR") { Description = "Traces of this program or of PyTorch; a directory means its rank traces, or those of the newest window below it.", Arity = ArgumentArity.OneOrMore };
        command.Add(operands);
        command.SetAction(async (result, _) => await RunAsync(FlagValues.From(result, Flags, options), result.GetValue(operands) ?? [], output, error));
        return command;
    }

    internal static async Task<int> RunAsync(FlagValues flags, string[] operands, TextWriter output, TextWriter error)
    {
        string[] files = [.. operands.SelectMany(Files)], others = flags.Text("--diff") is { } other ? Files(other) : [];
        var ceiling = new DeviceCeiling((flags.Number("--peak-bandwidth") ?? 0) * 1e9, (flags.Number("--peak-tflops") ?? 0) * 1e12);
        int top = flags.Integer("--top")!.Value;
        string reading = "";
        try
        {
            TraceAnalysis analysis = TraceAnalyzer.Analyze(files, ceiling, file => reading = file);
            TraceDiff? diff = others.Length > 0 ? TraceDiff.Compare(TraceAnalyzer.Analyze(others, ceiling, file => reading = file), analysis, flags.Number("--threshold")!.Value / 100) : null;
            if (flags.Switch("--json"))
            {
                using var bytes = new MemoryStream();
                AnalysisJson.Write(analysis, diff, bytes, withTimeline: false, isIndented: true);
                await output.WriteLineAsync(Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length));
            }
            else
            {
                await output.WriteAsync(AnalysisText.Write(analysis, top));
                if (diff is not null) await output.WriteAsync(diff.ToText(top));
            }
            if (flags.Text("--html") is { } page)
            {
                reading = page;
                AnalysisHtml.Write(analysis, diff, page);
                if (!flags.Switch("--json")) await output.WriteLineAsync($"Page: {page}");
            }
            return diff is { IsSlower: true } ? Slower : 0;
        }
        catch (Exception e) when (e is JsonException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"analyze-trace: {reading}: {e.Message}");
            return 1;
        }
    }

    private static string[] Files(string operand)
    {
        if (File.Exists(operand)) return [operand];
        if (!Directory.Exists(operand)) throw new UsageException($"{operand}: there is no such file or directory");
        string[] found = RankFiles.Find(operand);
        return found.Length > 0 ? found : throw new UsageException($"{operand}: no trace is named ...-TP-N...{TraceFileNames.Extension}; name the files");
    }
}
