using SgLang.Bench.Serving;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of bench-serving. One that is not honoured yet is refused with its reason.</summary>
internal static class BenchServingFlags
{
    private const int Most = 1 << 24;
    private const string NotYet = "it is not implemented yet";
    private const string TextOnly = "requests are text or token ids";

    public static FlagSet All { get; } = new([.. Server(), .. DatasetFlags.All, .. Load(), .. Requests(), .. Output(), .. Profile(), .. NotServed()]);

    private static Flag Switch(string name, string help) => new(name, FlagKind.Switch, help);

    private static IEnumerable<Flag> Server() =>
    [
        new("--backend", Text, "Kind of server.") { Default = "sglang", Choices = [.. Backend.All.Select(b => b.Name)] },
        new("--base-url", Text, "The server's URL, instead of host and port."),
        new("--host", Text, "The server's address.") { Default = "127.0.0.1" },
        new("--port", Integer, "The server's port; default: 30000, or 8000 for vllm.") { Min = 1, Max = 65535 },
        new("--ready-check-timeout-sec", Number, "Seconds to wait for the server; 0: do not check.") { Default = "60", Min = 0, Max = 1e6 },
        new("--model", Text, "The model; default: the first that the server names.") { Aliases = ["--model-path"] },
        new("--served-model-name", Text, "Name put in requests instead of the model."),
        new("--tokenizer", Text, "Directory of the tokenizer; default: what the server names, or the model."),
        new("--api-key", Text, "Sent as Authorization: Bearer KEY; default: OPENAI_API_KEY of the environment."),
        new("--header", TextList, "Headers of every request, NAME=VALUE each."),
    ];

    private static IEnumerable<Flag> Load() =>
    [
        new("--request-rate", Text, "Requests a second, in the long run, at random times (a Poisson process); inf sends all at once.") { Default = "inf" },
        new("--max-concurrency", Integer, "Most open requests.") { Min = 1, Max = Most },
        new("--warmup-requests", Integer, "Requests before the measurement.") { Default = "1", Min = 0, Max = Most },
        Switch("--flush-cache", "Empty the server's prefix cache before the measurement."),
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
        Switch("--return-logprob", "Ask for log-probabilities; /generate only."),
    ];

    private static IEnumerable<Flag> Output() =>
    [
        new("--output-file", Text, "File that the JSON line is appended to; default: named after the run; empty: none."),
        Switch("--output-details", "Add arrays with every request's figures to the line."),
        Switch("--disable-tqdm", "No progress line."),
        new("--tag", Text, "Label in the result."),
        Switch("--print-requests", "") with { OnlyDefault = NotYet },
        Switch("--plot-throughput", "") with { OnlyDefault = NotYet },
        Switch("--cache-report", "") with { OnlyDefault = "cached tokens are in every result line; a section in the report is not implemented yet" },
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

    private static IEnumerable<Flag> NotServed() =>
    [
        new("--dataset-offset", Integer, "") { Default = "0", OnlyDefault = NotYet },
        new("--image-count", Integer, "") { OnlyDefault = TextOnly },
        Switch("--random-image-count", "") with { OnlyDefault = TextOnly },
        new("--image-resolution", Text, "") { OnlyDefault = TextOnly },
        new("--image-format", Text, "") { OnlyDefault = TextOnly },
        new("--image-content", Text, "") { OnlyDefault = TextOnly },
        Switch("--use-trace-timestamps", "") with { OnlyDefault = NotYet },
        new("--top-logprobs-num", Integer, "") { Default = "0", OnlyDefault = NotYet },
        new("--token-ids-logprob", IntegerList, "") { OnlyDefault = NotYet },
        new("--logprob-start-len", Integer, "") { Default = "-1", OnlyDefault = NotYet },
        Switch("--return-routed-experts", "") with { OnlyDefault = NotYet },
        new("--lora-name", TextList, "") { OnlyDefault = NotYet },
        new("--lora-request-distribution", Text, "") { Default = "uniform", OnlyDefault = NotYet },
        new("--lora-zipf-alpha", Number, "") { Default = "1.5", OnlyDefault = NotYet },
        new("--gsp-range-ratio", Number, "") { Default = "1.0", OnlyDefault = NotYet },
        Switch("--gsp-fast-prepare", "") with { OnlyDefault = NotYet },
        Switch("--gsp-send-routing-key", "") with { OnlyDefault = NotYet },
        new("--gsp-num-turns", Integer, "") { Default = "1", OnlyDefault = NotYet },
        new("--gsp-group-distribution", Text, "") { Default = "uniform", OnlyDefault = NotYet },
        new("--gsp-zipf-alpha", Number, "") { OnlyDefault = NotYet },
        new("--mooncake-workload", Text, "") { OnlyDefault = NotYet },
        new("--mooncake-slowdown-factor", Number, "") { OnlyDefault = NotYet },
        new("--mooncake-num-rounds", Integer, "") { OnlyDefault = NotYet },
        Switch("--fake-prefill", "") with { OnlyDefault = NotYet },
    ];
}
