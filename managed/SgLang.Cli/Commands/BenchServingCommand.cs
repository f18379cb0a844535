using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
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
            if (options.Profile is { Workers.Count: 0 } && flags.Switch("--pd-separated"))
            {
                await output.WriteLineAsync("Warning: PD separated mode requires --profile-prefill-url or --profile-decode-url");
                options = options with { Profile = null };
            }
            ServingMetrics metrics = await new ServingBenchmark(options, output, error).RunAsync(cancellation);
            return metrics.Completed > 0 ? 0 : 1;
        });

    internal static ServingOptions Options(FlagValues flags)
    {
        Backend backend = Backend.All.Single(b => b.Name == flags.Text("--backend"));
        bool asIds = flags.Switch("--tokenize-prompt");
        if (asIds && backend.Shape != AnswerShape.Native) throw new UsageException($"--tokenize-prompt: only with --backend sglang, got {backend.Name}");
        if (flags.IsGiven("--profile-prefill-url") && flags.IsGiven("--profile-decode-url"))
            throw new UsageException("--profile-prefill-url and --profile-decode-url exclude each other: give one kind of worker a run");
        return new ServingOptions
        {
            Backend = backend,
            BaseUrl = Address(flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Integer("--port") ?? backend.DefaultPort}", "--base-url"),
            Model = flags.Text("--model"),
            ServedModelName = flags.Text("--served-model-name"),
            Tokenizer = flags.Text("--tokenizer"),
            Dataset = DatasetFlags.Options(flags) with { TokenizePrompt = asIds },
            RequestRate = Rate(flags.Text("--request-rate")!),
            MaxConcurrency = flags.Integer("--max-concurrency"),
            OutputFile = flags.Text("--output-file"),
            OutputDetails = flags.Switch("--output-details"),
            WarmupRequests = flags.Integer("--warmup-requests")!.Value,
            FlushCache = flags.Switch("--flush-cache"),
            FlushCacheTimeout = flags.Number("--flush-cache-timeout")!.Value,
            ReadyTimeout = flags.Number("--ready-check-timeout-sec")!.Value,
            IsStreaming = !flags.Switch("--disable-stream"),
            IgnoreEos = !flags.Switch("--disable-ignore-eos"),
            Temperature = flags.Number("--temperature")!.Value,
            TopP = flags.Number("--top-p")!.Value,
            ReturnLogprob = flags.Switch("--return-logprob"),
            Tag = flags.Text("--tag"),
            ExtraBody = flags.Text("--extra-request-body") is { } extra ? JsonNode.Parse(extra)!.AsObject() : [],
            Headers = [.. flags.List("--header").Select(Header)],
            ApiKey = flags.Text("--api-key") ?? Environment.GetEnvironmentVariable("OPENAI_API_KEY"),
            Profile = flags.Switch("--profile") ? Profile(flags) : null,
            Arguments = Shown(flags),
        };
    }

    private static ProfileOptions Profile(FlagValues flags) => new()
    {
        Activities = flags.IsGiven("--profile-activities") ? flags.List("--profile-activities") : ["CPU", "GPU"],
        StartStep = flags.Integer("--profile-start-step"),
        NumSteps = flags.Integer("--profile-steps") ?? flags.Integer("--profile-num-steps"),
        ByStage = flags.Switch("--profile-by-stage"),
        Stages = flags.List("--profile-stages"),
        OutputDirectory = flags.Text("--profile-output-dir"),
        Prefix = flags.Text("--profile-prefix"),
        Workers = flags.Switch("--pd-separated")
            ? [.. Workers(flags, "--profile-prefill-url", "Prefill"), .. Workers(flags, "--profile-decode-url", "Decode")]
            : [],
    };

    private static IEnumerable<KeyValuePair<string, Uri>> Workers(FlagValues flags, string flag, string kind) =>
        flags.List(flag).Select((url, i) => KeyValuePair.Create($"{kind}-{i}", Address(url, flag)));

    private static JsonObject Shown(FlagValues flags)
    {
        JsonObject arguments = flags.ToJson();
        if (arguments["api_key"] is not null) arguments["api_key"] = "***";
        return arguments;
    }

    private static Uri Address(string url, string flag) => Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && (address.Scheme is "http" or "https")
        ? address
        : throw new UsageException($"{flag}: must be an http or https URL, got '{url}'");

    private static double Rate(string text) =>
        text == "inf" ? double.PositiveInfinity
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double rate) && rate > 0 && double.IsFinite(rate) ? rate
        : throw new UsageException($"--request-rate: must be a number above 0 or inf, got '{text}'");

    private static KeyValuePair<string, string> Header(string text) => text.IndexOf('=') is > 0 and var equals
        ? KeyValuePair.Create(text[..equals], text[(equals + 1)..])
        : throw new UsageException($"--header: must be NAME=VALUE, got '{text}'");
}
