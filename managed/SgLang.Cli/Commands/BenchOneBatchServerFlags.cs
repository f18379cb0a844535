using SgLang.Bench.Http;
using SgLang.Bench.OneBatchServer;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of bench-one-batch-server: its own, then all of launch-server for the server it may start.</summary>
internal static class BenchOneBatchServerFlags
{
    private const int Most = 1 << 24;

    public static FlagSet All { get; } = new([.. Case(), .. Requests(), .. Output(), .. Profile()], LaunchServerFlags.All);

    private static Flag Switch(string name, string help) => new(name, FlagKind.Switch, help);

    private static IEnumerable<Flag> Case() =>
    [
        new("--base-url", Text, "The server's URL; default: the one at --host and --port, or one that is started."),
        new("--run-name", Text, "Label in the results.") { Default = "default" },
        new("--batch-size", IntegerList, "Batch sizes.") { Aliases = ["--batch"], Default = "1", Min = 1, Max = 65536 },
        new("--input-len", IntegerList, "Prompt lengths, in tokens.") { Default = "1024", Min = 1, Max = Most },
        new("--output-len", IntegerList, "Output lengths, in tokens.") { Default = "16", Min = 1, Max = Most },
        new("--dataset-name", Text, "What the prompts are made of.") { Default = "random", Choices = [.. OneBatchServerOptions.DatasetNames] },
        new("--dataset-path", Text, "ShareGPT's JSON for random; default: built-in text.") { Default = "" },
        new("--fixed-prompt-file", Text, "Every row is this file's text.") { Default = "" },
        Switch("--apply-chat-template", "Put the fixed prompt through the chat template."),
        new("--gsp-num-groups", Integer, "generated-shared-prefix: groups, at most the batch.") { Default = "1", Min = 1, Max = Most },
        new("--gsp-system-prompt-len", Integer, "Tokens of the shared beginning.") { Default = "2048", Min = 1, Max = Most },
        new("--gsp-question-len", Integer, "Tokens of each prompt's own end.") { Default = "128", Min = 1, Max = Most },
        new("--gsp-output-len", Integer, "") { Default = "256", Min = 1, Max = Most, NoEffect = "--output-len is what a case makes" },
        new("--input-len-step-percentage", Number, "") { Default = "0.0", NoEffect = "prompts of a batch are of equal length" },
        new("--seed", Integer, "Of every random draw.") { Default = "42", Min = 0, Max = int.MaxValue },
        new("--cache-hit-rate", Number, "Share of each prompt that is put in the prefix cache beforehand.") { Default = "0.0", Min = 0, Max = 1 },
    ];

    private static IEnumerable<Flag> Requests() =>
    [
        new("--backend", Text, "Kind of server.") { Default = "sglang", Choices = [.. OneBatchServerOptions.Backends] },
        new("--temperature", Number, "0 is greedy.") { Default = "0.0", Min = 0 },
        Switch("--return-logprob", "Ask for log-probabilities."),
        new("--client-stream-interval", Integer, "Tokens of a streamed event.") { Default = "1", Min = 1, Max = Most },
        Switch("--parallel-batch", "Ask the server to tokenize and dispatch the rows in parallel."),
        new("--lora-name", TextList, "Adapters, one for each row."),
        new("--lora-request-distribution", Text, "Which row gets which adapter.") { Default = "uniform", Choices = [.. LoraChoice.Distributions] },
        new("--lora-zipf-alpha", Number, "skewed: weights are alpha^-k.") { Default = "1.1" },
        Switch("--enable-multi-batch", "Allow batches above the server's running limit; then only overall throughput means something."),
        Switch("--fake-prefill", "Ask a decode worker to pretend that the prefill was done elsewhere."),
        new("--local-tokenizer-path", Text, "Directory of the tokenizer; default: what the server names.") { Default = "" },
    ];

    private static IEnumerable<Flag> Output() =>
    [
        new("--result-filename", Text, "File that a JSON line is appended to for each case; empty: none.") { Default = "result.jsonl" },
        Switch("--skip-warmup", "Measure the first batches too."),
        Switch("--show-report", "Print a table of all cases."),
        new("--hourly-price", Number, "Dollars an hour for one device, for the table's cost columns; default: costs are n/a.") { Min = 0 },
        new("--pydantic-result-filename", Text, "File for all results as one JSON array.") { Default = "" },
        new("--server-args-for-metrics", TextList, "What that file says the server was started with."),
        Switch("--append-to-github-summary", "Append the table to the file that GITHUB_STEP_SUMMARY names; done wherever it is set.") with { NoEffect = "it is the default" },
        Switch("--no-append-to-github-summary", "Do not append the table to the file that GITHUB_STEP_SUMMARY names."),
    ];

    private static IEnumerable<Flag> Profile() =>
    [
        Switch("--profile", "Run all cases once more under the server's profiler; their figures are not recorded."),
        new("--profile-activities", TextList, "What is recorded.") { Default = "CPU GPU", Choices = ["CPU", "GPU", "XPU"] },
        new("--profile-start-step", Integer, "First step recorded.") { Min = 0, Max = int.MaxValue },
        new("--profile-steps", Integer, "Steps recorded.") { Default = "5", Min = 1, Max = int.MaxValue },
        Switch("--profile-by-stage", "Record prefill and decode apart."),
        new("--profile-prefix", Text, "Beginning of the files' names."),
        new("--profile-output-dir", Text, "Base directory on the server; default: SGLANG_TORCH_PROFILER_DIR, or /tmp."),
    ];
}
