using SgLang.Bench.Datasets;
using SgLang.Bench.Http;
using SgLang.Bench.Load;
using SgLang.Bench.Serving;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of bench-serving. One that is not honoured yet is refused with its reason.</summary>
internal static class BenchServingFlags
{
    private const int Most = 1 << 24;

    public static FlagSet All { get; } = new([.. Server(), .. DatasetFlags.All, .. Load(), .. Requests(), .. Output(), .. Profile(), .. Images()]);

    private static Flag Switch(string name, string help) => new(name, FlagKind.Switch, help);

    private static IEnumerable<Flag> Server() =>
    [
        new("--backend", Text, "Kind of server.") { Default = "sglang", Choices = [.. Backend.All.Select(b => b.Name), Backend.NotImplemented] },
        new("--base-url", Text, "The server's URL, instead of host and port."),
        new("--host", Text, "The server's address.") { Default = "127.0.0.1" },
        new("--port", Integer, "The server's port; default: 30000, 8000 for vllm and trt, 8080 for truss, 23333 for lmdeploy.") { Min = 1, Max = 65535 },
        new("--ready-check-timeout-sec", Number, "Seconds to wait for the server; 0: do not check.") { Default = "60", Min = 0, Max = 1e6 },
        new("--model", Text, "The model; default: the first that the server names.") { Aliases = ["--model-path"] },
        new("--served-model-name", Text, "Name put in requests instead of the model."),
        new("--tokenizer", Text, "Directory of the tokenizer; default: what the server names, or the model."),
        new("--api-key", Text, "Sent as Authorization: Bearer KEY; default: OPENAI_API_KEY of the environment."),
        new("--header", TextList, "Headers of every request, NAME=VALUE each."),
    ];

    private static IEnumerable<Flag> Load() =>
    [
        new("--dataset-offset", Integer, "Rows of the data set left out at its beginning.") { Default = "0", Min = 0, Max = Most },
        new("--request-rate", TextList, "Requests a second, in the long run, at random times (a Poisson process); inf sends all at once. Several rates are measured one after the other.") { Default = "inf" },
        new("--burstiness", Text, "Shape of the gaps' gamma distribution: 1 is Poisson, below 1 bursts, above 1 evens out, inf is a constant gap.") { Default = "1" },
        new("--ramp-up-strategy", Text, "Let the rate change over the requests, instead of --request-rate.") { Choices = [.. ArrivalOptions.RampStrategies] },
        new("--ramp-up-start-rps", Number, "Rate at the first request of a ramp.") { Min = 0.000001 },
        new("--ramp-up-end-rps", Number, "Rate at the last request of a ramp.") { Min = 0.000001 },
        Switch("--use-trace-timestamps", "Send when the data set's time stamps say; the default for mooncake."),
        new("--num-repeats", Integer, "Runs of each rate, for confidence intervals.") { Aliases = ["--repeat"], Default = "1", Min = 1, Max = 1000 },
        new("--goodput", TextList, "Limits that a good answer keeps, in ms: ttft:200 tpot:50 e2e:5000."),
        Switch("--find-max-rate", "Look for the highest rate at which --goodput-share of the requests keep the limits of --goodput."),
        new("--goodput-share", Number, "Share of requests that must keep every limit.") { Default = "0.9", Min = 0.000001, Max = 1 },
        new("--max-concurrency", Integer, "Most open requests.") { Min = 1, Max = Most },
        new("--warmup-requests", Integer, "Requests before the measurement.") { Default = "1", Min = 0, Max = Most },
        Switch("--flush-cache", "Empty the server's prefix cache before the measurement."),
        Switch("--disable-keep-alive", "Open a connection for each request; the time that takes is in latencies from the schedule only."),
        new("--flush-cache-timeout", Number, "Seconds the server may wait for running requests before it flushes.") { Default = "60", Min = 0.001, Max = 86400 },
    ];

    private static IEnumerable<Flag> Requests() =>
    [
        Switch("--disable-stream", "Ask for whole answers."),
        Switch("--disable-ignore-eos", "Let the model end an answer by itself."),
        new("--temperature", Number, "/generate only; others send 0.") { Default = "0.0", Min = 0 },
        new("--top-p", Number, "/generate only.") { Default = "1.0", Min = 0, Max = 1 },
        new("--extra-request-body", JsonObject, "Merged over the top level of every request."),
        Switch("--tokenize-prompt", "Send token ids instead of text; backend sglang only."),
        Switch("--return-logprob", "Ask for log-probabilities."),
        new("--top-logprobs-num", Integer, "Alternatives with log-probabilities at each position.") { Default = "0", Min = 0, Max = 1024 },
        new("--token-ids-logprob", IntegerList, "Token ids whose log-probabilities are asked for; /generate only.") { Min = 0, Max = int.MaxValue },
        new("--logprob-start-len", Integer, "First prompt position with log-probabilities; -1: output tokens only.") { Default = "-1", Min = -1, Max = int.MaxValue },
        Switch("--return-routed-experts", "Ask for the experts that tokens went to; /generate only."),
        new("--lora-name", TextList, "Adapters that requests name."),
        new("--lora-request-distribution", Text, "Which request names which adapter.") { Default = "uniform", Choices = [.. LoraChoice.Distributions] },
        new("--lora-zipf-alpha", Number, "skewed: weights are alpha^-k.") { Default = "1.5" },
        Switch("--fake-prefill", "Ask a decode worker to pretend that the prefill was done elsewhere."),
    ];

    private static IEnumerable<Flag> Output() =>
    [
        new("--output-file", Text, "File that the JSON line is appended to; default: named after the run; empty: none."),
        Switch("--output-details", "Add arrays with every request's figures to the line."),
        Switch("--fail-on-error", "Exit with 1 when any request failed, not only when all did."),
        Switch("--disable-tqdm", "No progress line."),
        new("--tag", Text, "Label in the result."),
        Switch("--print-requests", "Print every answer after the run."),
        Switch("--plot-throughput", "Draw tokens a second and open requests in the terminal."),
        Switch("--cache-report", "Add a section on prompt tokens taken from the prefix cache."),
        new("--plot", Text, "Directory for pictures (SVG): throughput over time, latency distributions, rate sweeps."),
        new("--html", Text, "File for a report with figures and pictures that needs no other file."),
    ];

    private static IEnumerable<Flag> Profile() =>
    [
        Switch("--profile", "Have the server profile itself during the measurement."),
        new("--profile-activities", TextList, "What is recorded.") { Default = "CPU GPU", Choices = ["CPU", "GPU", "CUDA_PROFILER", "XPU", "MEM"] },
        new("--profile-start-step", Integer, "First step recorded.") { Min = 0, Max = int.MaxValue },
        new("--profile-steps", Integer, "Steps recorded; default: until the last answer.") { Min = 1, Max = int.MaxValue },
        new("--profile-num-steps", Integer, "The same; --profile-steps wins.") { Min = 1, Max = int.MaxValue },
        Switch("--profile-by-stage", "Record prefill and decode apart."),
        new("--profile-stages", TextList, "Stages recorded.") { Choices = ["prefill", "decode"] },
        new("--profile-output-dir", Text, "Base directory on the server; default: SGLANG_TORCH_PROFILER_DIR, or /tmp."),
        new("--profile-prefix", Text, "Beginning of the files' names."),
        Switch("--pd-separated", "Prefill and decode are separate workers; name one kind of them to profile."),
        new("--profile-prefill-url", TextList, "Prefill workers to profile."),
        new("--profile-decode-url", TextList, "Decode workers to profile; not together with prefill workers."),
    ];

    private static IEnumerable<Flag> Images() =>
    [
        new("--image-count", Integer, "image: images of each request.") { Default = "1", Min = 1, Max = 1024 },
        Switch("--random-image-count", "image: draw each request's number of images, up to --image-count."),
        new("--image-resolution", Text, $"image: {ImageResolution.Forms}.") { Default = "1080p" },
        new("--image-format", Text, "image: how images are stored.") { Default = "jpeg", Choices = ["jpeg", "png"] },
        new("--image-content", Text, "image: pixels of random colours, or all white.") { Default = "random", Choices = ["random", "blank"] },
    ];
}
