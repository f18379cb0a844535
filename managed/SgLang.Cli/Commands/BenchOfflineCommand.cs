using System.CommandLine;
using Microsoft.Extensions.Logging;
using SgLang.Bench.Offline;
using SgLang.Cli.Parsing;
using SgLang.Profiling;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>`sglang bench-offline-throughput`: an engine in this process, given all prompts at once.</summary>
internal static class BenchOfflineCommand
{
    public static FlagSet Flags { get; } = new(
    [
        .. DatasetFlags.All,
        new Flag("--backend", Text, "What is measured.") { Default = "engine", Choices = ["engine", "runtime"], OnlyDefault = "measure a server with bench-serving" },
        new Flag("--result-filename", Text, "File that the JSON line is appended to; empty: none.") { Default = "" },
        new Flag("--disable-ignore-eos", Switch, "Let the model end an answer by itself."),
        new Flag("--extra-request-body", JsonObject, "Merged over every request's sampling parameters."),
        new Flag("--return-logprob", Switch, "Compute log-probabilities."),
        new Flag("--logprob-start-len", Integer, "First prompt position with log-probabilities; -1: output tokens only.") { Default = "-1", Min = -1, Max = int.MaxValue },
        new Flag("--skip-warmup", Switch, "Measure the first steps too."),
        new Flag("--do-not-exit", Switch, "Keep the engine's process when done, for a profiler that ends it."),
        new Flag("--profile", Switch, "Record the measured run, which slows it."),
        BenchCommand.TraceDirectoryFlag,
        new Flag("--profile-activities", TextList, "What is recorded.") { Default = "CPU GPU", Choices = ["CPU", "GPU", "CUDA_PROFILER", "XPU", "MEM"] },
        new Flag("--profile-steps", Integer, "Steps recorded; default: all.") { Min = 1, Max = int.MaxValue },
    ], LaunchServerFlags.All);

    public static Command Create(TextWriter output, TextWriter error) => BenchCommand.Create(
        "bench-offline-throughput", "Measure the engine in this process: all prompts at once, no HTTP.", Flags, error, async (flags, cancellation) =>
        {
            LaunchServerSettings settings = BenchCommand.Engine(flags);
            using ILoggerFactory logs = BenchCommand.Log(settings);
            LoadProgress progress = BenchCommand.Progress(error);
            OfflineResult result = await OfflineBenchmark.RunAsync(Options(flags, settings) with { ProgressOutput = error == Console.Error && !Console.IsErrorRedirected ? error : null }, output, progress.Report, logs.CreateLogger("SgLang.Bench"), cancellation);
            if (flags.Switch("--do-not-exit")) await Task.Delay(Timeout.Infinite, cancellation);
            return result.SuccessfulRequests > 0 ? 0 : 1;
        });

    internal static OfflineOptions Options(FlagValues flags, LaunchServerSettings settings) => new()
    {
        Engine = settings.Engine,
        Dataset = DatasetFlags.Options(flags) is { IsOfImages: false } dataset
            ? dataset
            : throw new UsageException($"--dataset-name {flags.Text("--dataset-name")}: the engine alone takes no images; measure a server with bench-serving"),
        ResultFile = flags.Text("--result-filename")!,
        IgnoreEos = !flags.Switch("--disable-ignore-eos"),
        ReturnLogprob = flags.Switch("--return-logprob"),
        LogprobStartLength = flags.Integer("--logprob-start-len")!.Value,
        ExtraSampling = flags.Text("--extra-request-body") is { } extra ? System.Text.Json.Nodes.JsonNode.Parse(extra)!.AsObject() : [],
        Profile = flags.Switch("--profile")
            ? new OfflineProfileOptions(BenchCommand.TraceDirectory(flags), BenchCommand.Activities(flags), flags.Integer("--profile-steps"),
                ProfileSwitches.AllowsStacks(Environment.GetEnvironmentVariable), ProfileSwitches.AllowsShapes(Environment.GetEnvironmentVariable))
            : null,
        SkipWarmup = flags.Switch("--skip-warmup"),
        Arguments = BenchCommand.Shown(flags),
    };
}
