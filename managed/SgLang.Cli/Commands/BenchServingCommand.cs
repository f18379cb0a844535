using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Http;
using SgLang.Bench.Load;
using SgLang.Bench.Profiling;
using SgLang.Bench.Serving;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Commands;

/// <summary>`sglang bench-serving`: many independent requests to a running server.</summary>
internal static class BenchServingCommand
{
    public static Command Create(TextWriter output, TextWriter error) => BenchCommand.Create(
        "bench-serving", "Measure a running server under a load: latencies, throughput, failures.", BenchServingFlags.All, error, async (flags, cancellation) =>
        {
            ServingOptions options = Options(flags) with { ShowsProgress = !flags.Switch("--disable-tqdm") && error == Console.Error && !Console.IsErrorRedirected };
            if (options is { Profile: not null, ProfiledWorkers.Count: 0 } && flags.Switch("--pd-separated"))
            {
                await output.WriteLineAsync("Warning: PD separated mode requires --profile-prefill-url or --profile-decode-url");
                options = options with { Profile = null };
            }
            if (flags.Switch("--pd-separated") && !flags.IsGiven("--base-url") && !flags.IsGiven("--port"))
            {
                Uri[] likely = [.. RouterFinder.UsualPorts.Select(port => new UriBuilder(options.BaseUrl) { Port = port }.Uri)];
                if (await RouterFinder.FindAsync(likely, options, cancellation) is { } router)
                {
                    await output.WriteLineAsync($"Router found at {router}");
                    options = options with { BaseUrl = router };
                }
                else
                {
                    await error.WriteLineAsync($"WARNING: --pd-separated without --port or --base-url, and there is no router at {string.Join(" or ", likely.Select(url => url.ToString()))}: requests go to {options.BaseUrl}; if that is a worker, name the router's address.");
                }
            }
            PreciseSockets.UseForThisProcess();
            IReadOnlyList<ServingRun> runs = await new ServingBenchmark(options, output, error).RunAsync(cancellation);
            bool isAllGood = runs.All(run => run.Metrics.Failures.Count == 0);
            return runs.Any(run => run.Metrics.Completed > 0) && (isAllGood || !flags.Switch("--fail-on-error")) ? 0 : 1;
        });

    internal static ServingOptions Options(FlagValues flags)
    {
        string name = flags.Text("--backend")!;
        if (name == Backend.NotImplemented) throw new UsageException($"--backend {name}: how it is spoken to is not published, and SGLang's own client does not speak to it either. Where such a server also speaks an OpenAI form, use --backend vllm or vllm-chat with --port 9988");
        Backend backend = Backend.All.Single(b => b.Name == name);
        if (backend.NeedsModel && !flags.IsGiven("--model")) throw new UsageException($"--backend {name} needs --model: such a server does not name its model");
        if (backend.NeedsModel && !flags.IsGiven("--tokenizer") && !Directory.Exists(flags.Text("--model"))) throw new UsageException($"--backend {name} needs --tokenizer: the model's directory on this machine");
        bool asIds = flags.Switch("--tokenize-prompt");
        if (asIds && backend.Shape != AnswerShape.Native) throw new UsageException($"--tokenize-prompt: only with --backend sglang, got {backend.Name}");
        if (flags.IsGiven("--profile-prefill-url") && flags.IsGiven("--profile-decode-url"))
            throw new UsageException("--profile-prefill-url and --profile-decode-url exclude each other: give one kind of worker a run");
        double[] rates = [.. (flags.IsGiven("--request-rate") ? flags.List("--request-rate") : ["inf"]).Select(text => Positive(text, "--request-rate"))];
        string? ramp = flags.Text("--ramp-up-strategy");
        if (ramp is not null && !(flags.IsGiven("--ramp-up-start-rps") && flags.IsGiven("--ramp-up-end-rps"))) throw new UsageException("--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps");
        if (ramp is not null && flags.IsGiven("--request-rate")) throw new UsageException("--ramp-up-strategy and --request-rate exclude each other: the ramp has its own rates");
        ServiceObjectives? objectives = Objectives(flags.List("--goodput"));
        if (flags.Switch("--find-max-rate") && objectives is null) throw new UsageException("--find-max-rate needs --goodput: the limits that requests must keep, e.g. --goodput ttft:200 tpot:50");
        if (flags.Switch("--find-max-rate") && (ramp is not null || rates.Length > 1)) throw new UsageException("--find-max-rate chooses the rates itself; give --request-rate once, to start from, or not at all");
        return new ServingOptions
        {
            Backend = backend,
            BaseUrl = BenchCommand.Address(flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Integer("--port") ?? backend.DefaultPort}", "--base-url"),
            Model = flags.Text("--model"),
            ServedModelName = flags.Text("--served-model-name"),
            Tokenizer = flags.Text("--tokenizer"),
            Dataset = Images(flags, backend, DatasetFlags.Options(flags) with { TokenizePrompt = asIds, Offset = flags.Integer("--dataset-offset")!.Value }),
            Arrivals = new ArrivalOptions
            {
                Rate = rates[0],
                Burstiness = Positive(flags.Text("--burstiness")!, "--burstiness"),
                RampStrategy = ramp,
                RampStart = flags.Number("--ramp-up-start-rps") ?? 0,
                RampEnd = flags.Number("--ramp-up-end-rps") ?? 0,
            },
            Rates = rates,
            UseTraceTimestamps = flags.Switch("--use-trace-timestamps") || flags.Text("--dataset-name") == "mooncake",
            Repeats = flags.Integer("--num-repeats")!.Value,
            Objectives = objectives,
            FindMaxRate = flags.Switch("--find-max-rate"),
            ObjectiveShare = flags.Number("--goodput-share")!.Value,
            MaxConcurrency = flags.Integer("--max-concurrency"),
            OutputFile = flags.Text("--output-file"),
            OutputDetails = flags.Switch("--output-details"),
            WarmupRequests = flags.Integer("--warmup-requests")!.Value,
            FlushCache = flags.Switch("--flush-cache") || (backend.IsSglang && FlushesInContinuousIntegration()),
            FlushCacheTimeout = flags.Number("--flush-cache-timeout")!.Value,
            ReadyTimeout = flags.Number("--ready-check-timeout-sec")!.Value,
            IsStreaming = !flags.Switch("--disable-stream"),
            IgnoreEos = !flags.Switch("--disable-ignore-eos"),
            Temperature = flags.Number("--temperature")!.Value,
            TopP = flags.Number("--top-p")!.Value,
            ReturnLogprob = flags.Switch("--return-logprob"),
            TopLogprobs = flags.Integer("--top-logprobs-num")!.Value,
            TokenIdsLogprob = flags.Integers("--token-ids-logprob"),
            LogprobStartLength = flags.Integer("--logprob-start-len")!.Value,
            ReturnRoutedExperts = flags.Switch("--return-routed-experts"),
            FakePrefill = flags.Switch("--fake-prefill"),
            LoraNames = flags.List("--lora-name"),
            LoraDistribution = flags.Text("--lora-request-distribution")!,
            LoraZipfAlpha = flags.Number("--lora-zipf-alpha")!.Value,
            FreshConnections = flags.Switch("--disable-keep-alive"),
            PrintRequests = flags.Switch("--print-requests"),
            CacheReport = flags.Switch("--cache-report"),
            PlotThroughput = flags.Switch("--plot-throughput"),
            PlotDirectory = flags.Text("--plot"),
            HtmlFile = flags.Text("--html"),
            Tag = flags.Text("--tag"),
            ExtraBody = flags.Text("--extra-request-body") is { } extra ? JsonNode.Parse(extra)!.AsObject() : [],
            Headers = [.. flags.List("--header").Select(Header)],
            Authorization = BenchCommand.Authorization(flags),
            Profile = flags.Switch("--profile") ? Profile(flags) : null,
            ProfiledWorkers = flags.Switch("--pd-separated")
                ? [.. Workers(flags, "--profile-prefill-url", "Prefill"), .. Workers(flags, "--profile-decode-url", "Decode")]
                : [],
            Arguments = BenchCommand.Shown(flags),
        };
    }

    private static DatasetOptions Images(FlagValues flags, Backend backend, DatasetOptions dataset)
    {
        if (dataset.IsOfImages && !backend.TakesImages)
            throw new UsageException($"--dataset-name {dataset.Name}: --backend {backend.Name} takes no images; one of: {string.Join(", ", Backend.All.Where(b => b.TakesImages).Select(b => b.Name))}");
        if (dataset is { IsOfImages: true, TokenizePrompt: true }) throw new UsageException($"--tokenize-prompt: --dataset-name {dataset.Name} is sent as text with its images");
        string resolution = flags.Text("--image-resolution")!;
        try
        {
            ImageResolution.Parse(resolution);
        }
        catch (FormatException)
        {
            throw new UsageException($"--image-resolution: must be {ImageResolution.Forms}; got '{resolution}'");
        }
        return dataset with
        {
            ImageCount = flags.Integer("--image-count")!.Value,
            HasRandomImageCount = flags.Switch("--random-image-count"),
            ImageResolution = resolution,
            ImageFormat = flags.Text("--image-format")!,
            ImageContent = flags.Text("--image-content")!,
        };
    }

    private static bool FlushesInContinuousIntegration() => Environment.GetEnvironmentVariable("SGLANG_IS_IN_CI")?.ToLowerInvariant() is "true" or "1";

    private static ProfileRequest Profile(FlagValues flags) => new()
    {
        Activities = BenchCommand.Activities(flags),
        StartStep = flags.Integer("--profile-start-step"),
        NumSteps = flags.Integer("--profile-steps") ?? flags.Integer("--profile-num-steps"),
        ByStage = flags.Switch("--profile-by-stage"),
        Stages = flags.List("--profile-stages"),
        OutputDirectory = flags.Text("--profile-output-dir"),
        Prefix = flags.Text("--profile-prefix"),
    };

    private static IEnumerable<KeyValuePair<string, Uri>> Workers(FlagValues flags, string flag, string kind) =>
        flags.List(flag).Select((url, i) => KeyValuePair.Create($"{kind}-{i}", BenchCommand.Address(url, flag)));

    private static double Positive(string text, string flag) =>
        text == "inf" ? double.PositiveInfinity
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 && double.IsFinite(number) ? number
        : throw new UsageException($"{flag}: must be a number above 0 or inf, got '{text}'");

    private static ServiceObjectives? Objectives(string[] limits)
    {
        try
        {
            return ServiceObjectives.Parse(limits);
        }
        catch (FormatException e)
        {
            throw new UsageException($"--goodput: must be ttft:MS, tpot:MS or e2e:MS, got '{e.Message}'");
        }
    }

    private static KeyValuePair<string, string> Header(string text) => text.IndexOf('=') is > 0 and var equals
        ? KeyValuePair.Create(text[..equals], text[(equals + 1)..])
        : throw new UsageException($"--header: must be NAME=VALUE, got '{text}'");
}
