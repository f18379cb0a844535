using System.CommandLine;
using Microsoft.Extensions.Logging;
using SgLang.Bench.OneBatch;
using SgLang.Cli.Parsing;
using SgLang.Profiling;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang bench-one-batch`: latency of one static batch, without a server.</summary>
internal static class BenchOneBatchCommand
{
    private const int MostTokens = 1 << 24;

    public static FlagSet Flags { get; } = new(
    [
        new Flag("--run-name", Text, "Label in the results.") { Default = "default" },
        new Flag("--batch-size", IntegerList, "Batch sizes.") { Aliases = ["--batch"], Default = "1", Min = 1, Max = 65536 },
        new Flag("--input-len", IntegerList, "Prompt lengths, in tokens.") { Default = "1024", Min = 1, Max = MostTokens },
        new Flag("--output-len", IntegerList, "Output lengths; the token made by the prefill counts.") { Default = "16", Min = 1, Max = MostTokens },
        new Flag("--prompt-filename", Text, "Prompts from this file, one a line.") { Default = "" },
        new Flag("--result-filename", Text, "File that a JSON line is appended to after each case; empty: none.") { Default = "result.jsonl" },
        new Flag("--correctness-test", Switch, "Print logits and texts to compare with a reference, instead of measuring.") { Aliases = ["--correct"] },
        new Flag("--cut-len", Integer, "Correctness test: tokens of the first prefill.") { Default = "4", Min = 0, Max = MostTokens },
        new Flag("--save-logits", Text, "Correctness test: store the logits of every step in this file, as safetensors.") { Default = "" },
        new Flag("--save-reference", Text, "Correctness test: store its logits and tokens in this file.") { Default = "" },
        new Flag("--reference", Text, "Correctness test: fail where it differs from this file, which --save-reference wrote.") { Default = "" },
        new Flag("--reference-tolerance", Number, "Largest difference of a logit from the reference's.") { Default = "0.05", Min = 0 },
        new Flag("--log-decode-step", Integer, "Also print every n-th decode step.") { Default = "0", Min = 0, Max = MostTokens },
        new Flag("--profile", Switch, "Run each case once more under the profiler."),
        BenchCommand.TraceDirectoryFlag,
        new Flag("--profile-record-shapes", Switch, "Shapes of operators' inputs in the traces, and in the tables of operators."),
        new Flag("--profile-activities", TextList, "What is recorded; CUDA_PROFILER: a range for an external profiler, and no trace.") { Default = "CPU GPU", Choices = [.. BatchProfileOptions.AllActivities] },
        new Flag("--profile-stage", Text, "Which part of each case is recorded.") { Default = "all", Choices = [.. BatchProfileOptions.AllStages] },
        new Flag("--profile-prefix", Text, "Beginning of the files' names.") { Aliases = ["--profile-filename-prefix"], Default = "profile" },
        new Flag("--profile-start-step", Integer, "First decode step recorded, from 0; default: the one in the middle.") { Min = 0, Max = MostTokens },
        new Flag("--profile-steps", Integer, "Decode steps recorded; default: 1.") { Min = 1, Max = MostTokens },
    ], LaunchServerFlags.All);

    public static Command Create(TextWriter output, TextWriter error) => BenchCommand.Create(
        "bench-one-batch", "Measure one static batch without a server: prefill and decode latency of the model itself.", Flags, error,
        (flags, _) => Task.FromResult(Run(flags, output, error)));

    private static int Run(FlagValues flags, TextWriter output, TextWriter error)
    {
        LaunchServerSettings settings = BenchCommand.Engine(flags);
        OneBatchOptions options = Options(flags, settings);
        using ILoggerFactory logs = BenchCommand.Log(settings);
        LoadProgress progress = BenchCommand.Progress(error);
        ILogger log = logs.CreateLogger("SgLang.Bench");
        if (flags.Switch("--correctness-test")) CorrectnessTest.Run(options, output, progress.Report, log);
        else if (OneBatchBenchmark.Run(options, output, progress.Report, log).Count == 0) return 1;
        return 0;
    }

    internal static OneBatchOptions Options(FlagValues flags, LaunchServerSettings settings)
    {
        OneBatchOptions options = new()
        {
            Engine = settings.Engine,
            RunName = flags.Text("--run-name")!,
            BatchSizes = flags.Integers("--batch-size"),
            InputLengths = flags.Integers("--input-len"),
            OutputLengths = flags.Integers("--output-len"),
            PromptFile = flags.Text("--prompt-filename")!,
            ResultFile = flags.Text("--result-filename")!,
            CutLength = flags.Integer("--cut-len")!.Value,
            SaveLogits = flags.Text("--save-logits")!,
            SaveReference = flags.Text("--save-reference")!,
            Reference = flags.Text("--reference")!,
            ReferenceTolerance = flags.Number("--reference-tolerance")!.Value,
            LogDecodeStep = flags.Integer("--log-decode-step")!.Value,
            Profile = flags.Switch("--profile") ? Profile(flags) : null,
            Arguments = BenchCommand.Shown(flags),
        };
        return flags.Long("--random-seed") is { } seed ? options with { Seed = (uint)seed } : options;
    }

    private static BatchProfileOptions Profile(FlagValues flags) => new()
    {
        Directory = BenchCommand.TraceDirectory(flags),
        Activities = BenchCommand.Activities(flags),
        RecordShapes = flags.Switch("--profile-record-shapes"),
        WithStack = ProfileSwitches.AllowsStacks(Environment.GetEnvironmentVariable),
        Stage = flags.Text("--profile-stage")!,
        Prefix = flags.Text("--profile-prefix")!,
        StartStep = flags.Integer("--profile-start-step"),
        Steps = flags.Integer("--profile-steps") ?? 1,
    };
}
