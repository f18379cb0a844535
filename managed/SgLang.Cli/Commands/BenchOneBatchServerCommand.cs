using System.CommandLine;
using SgLang.Bench;
using SgLang.Bench.Datasets;
using SgLang.Bench.Http;
using SgLang.Bench.OneBatchServer;
using SgLang.Bench.Profiling;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Commands;

/// <summary>`sglang bench-one-batch-server`: static batches through a server, which is started where there is none.</summary>
internal static class BenchOneBatchServerCommand
{
    public static Command Create(TextWriter output, TextWriter error) => BenchCommand.Create(
        "bench-one-batch-server", "Measure static batches through a server: one request that carries the whole batch.", BenchOneBatchServerFlags.All, error,
        (flags, cancellation) => RunAsync(flags, output, error, cancellation));

    private static async Task<int> RunAsync(FlagValues flags, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        OneBatchServerOptions options = Options(flags);
        await using ServerChild? child = await ServerAsync(flags, options, output, error, cancellation);
        if (child is not null) options = options with { BaseUrl = child.Address };
        using OneBatchServerBenchmark benchmark = new(options, output, error);
        IReadOnlyList<OneBatchServerResult> results = await benchmark.RunAsync(cancellation);
        return results.Count > 0 ? 0 : 1;
    }

    /// <summary>Null when a server is there already.</summary>
    private static async Task<ServerChild?> ServerAsync(FlagValues flags, OneBatchServerOptions options, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        if (flags.IsGiven("--base-url"))
        {
            if (flags.IsGiven("--host") || flags.IsGiven("--port")) await error.WriteLineAsync("WARNING: --base-url is given; --host and --port are ignored.");
            return null;
        }
        using (ServerApi api = new(options.BaseUrl, options.Authorization))
        {
            if (await api.IsReadyAsync("/v1/models", cancellation))
            {
                await error.WriteLineAsync($"WARNING: a server answers at {options.BaseUrl}; it is used, and the flags of launch-server are ignored.");
                return null;
            }
        }
        // What launch-server would refuse is said here, before a process is started.
        _ = BenchCommand.Engine(flags);
        await output.WriteLineAsync($"Starting a server at {options.BaseUrl} ...");
        return await ServerChild.StartAsync(flags.ToArguments(LaunchServerFlags.All), options.BaseUrl, options.Authorization, cancellation);
    }

    internal static OneBatchServerOptions Options(FlagValues flags)
    {
        if (flags.Switch("--apply-chat-template") && flags.Text("--fixed-prompt-file")!.Length == 0) throw new UsageException("--apply-chat-template needs --fixed-prompt-file");
        if (flags.IsGiven("--lora-name") && flags.Text("--backend") != "sglang") throw new UsageException("--lora-name: only with --backend sglang, which takes an adapter for each row");
        Uri server = BenchCommand.Address(flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Integer("--port")}", "--base-url");
        string? authorization = BenchCommand.Authorization(flags);
        return new OneBatchServerOptions
        {
            BaseUrl = server,
            Authorization = authorization,
            RunName = flags.Text("--run-name")!,
            BatchSizes = flags.Integers("--batch-size"),
            InputLengths = flags.Integers("--input-len"),
            OutputLengths = flags.Integers("--output-len"),
            ResultFile = flags.Text("--result-filename")!,
            Temperature = flags.Number("--temperature")!.Value,
            ReturnLogprob = flags.Switch("--return-logprob"),
            StreamInterval = flags.Integer("--client-stream-interval")!.Value,
            Dataset = new DatasetOptions
            {
                Name = flags.Text("--dataset-name")!,
                Path = flags.Text("--dataset-path")!,
                Seed = (uint)flags.Long("--seed")!.Value,
                PrefixGroups = flags.Integer("--gsp-num-groups")!.Value,
                SystemPromptLength = flags.Integer("--gsp-system-prompt-len")!.Value,
                QuestionLength = flags.Integer("--gsp-question-len")!.Value,
            },
            FixedPromptFile = flags.Text("--fixed-prompt-file")!,
            ApplyChatTemplate = flags.Switch("--apply-chat-template"),
            CacheHitRate = flags.Number("--cache-hit-rate")!.Value,
            ParallelBatch = flags.Switch("--parallel-batch"),
            SkipWarmup = flags.Switch("--skip-warmup"),
            ShowReport = flags.Switch("--show-report"),
            LocalTokenizer = flags.Text("--local-tokenizer-path")!,
            Backend = flags.Text("--backend")!,
            LoraNames = flags.List("--lora-name"),
            LoraDistribution = flags.Text("--lora-request-distribution")!,
            LoraZipfAlpha = flags.Number("--lora-zipf-alpha")!.Value,
            EnableMultiBatch = flags.Switch("--enable-multi-batch"),
            FakePrefill = flags.Switch("--fake-prefill"),
            HourlyPrice = flags.Number("--hourly-price"),
            SummaryFile = flags.Text("--pydantic-result-filename")!,
            ServerArguments = flags.List("--server-args-for-metrics"),
            GithubSummaryFile = flags.Switch("--no-append-to-github-summary") ? null : Environment.GetEnvironmentVariable("GITHUB_STEP_SUMMARY") is { Length: > 0 } file ? file : null,
            Profile = flags.Switch("--profile") ? Profile(flags) : null,
            Arguments = BenchCommand.Shown(flags),
        };
    }

    private static ProfileRequest Profile(FlagValues flags) => new()
    {
        OutputDirectory = flags.Text("--profile-output-dir"),
        NumSteps = flags.Integer("--profile-steps")!.Value,
        StartStep = flags.Integer("--profile-start-step"),
        ByStage = flags.Switch("--profile-by-stage"),
        Prefix = flags.Text("--profile-prefix"),
        Activities = BenchCommand.Activities(flags),
    };
}
