using System.CommandLine;
using SgLang.Bench;
using SgLang.Bench.Compare;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang bench-compare`: two result files of the same measurement. Exit codes: 0 nothing is worse, 1 something is, 2 they are not runs of the same thing.</summary>
internal static class BenchCompareCommand
{
    public static FlagSet Flags { get; } = new(
        new Flag("--allow-difference", TextList, "What is under test: names of arguments or facts (device, model, host_name, ...) that may differ."),
        new Flag("--threshold", Number, "Changes for the worse up to this share of the first mean are no regressions.") { Default = "0.02", Min = 0, Max = 1 })
    {
        TakesOperands = true,
    };

    public static Command Create(TextWriter output)
    {
        var command = new Command("bench-compare", "Compare two result files of the same measurement; exit code 1 when the second is worse.");
        Dictionary<string, Option> options = FlagValues.Bind(command, Flags);
        var operands = new Argument<string[]>("FIRST SECOND") { Description = "Files of result lines; lines of the same case in one file are repeats.", Arity = ArgumentArity.OneOrMore };
        command.Add(operands);
        command.SetAction((result, _) => RunAsync(FlagValues.From(result, Flags, options), result.GetValue(operands) ?? [], output));
        return command;
    }

    private static async Task<int> RunAsync(FlagValues flags, string[] operands, TextWriter output)
    {
        if (operands is not [var first, var second]) throw new UsageException($"two files are needed, the one to compare with first, got {operands.Length}");
        try
        {
            ComparedRuns runs = Comparison.Of(new CompareOptions
            {
                First = first,
                Second = second,
                MayDiffer = flags.List("--allow-difference").Select(name => name.TrimStart('-').Replace('-', '_')).ToHashSet(),
                Threshold = flags.Number("--threshold")!.Value,
            });
            await output.WriteAsync(CompareReport.ToText(runs));
            return runs.IsAnythingWorse ? 1 : 0;
        }
        catch (Exception e) when (e is UnlikeRunsException or BenchException)
        {
            // Files that cannot be compared say nothing about each other: exit code 1 would mean "worse".
            throw new UsageException(e.Message);
        }
    }
}
