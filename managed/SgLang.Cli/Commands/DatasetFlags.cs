using SgLang.Bench.Datasets;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of the data sets, which several tools share.</summary>
internal static class DatasetFlags
{
    private const int Most = 1 << 24;
    private static readonly string[] s_groupDistributions = ["uniform", "zipf"];

    public static IReadOnlyList<Flag> All { get; } =
    [
        new("--dataset-name", Text, "Which requests are made; sharegpt and random use built-in text where no --dataset-path is given.") { Default = "sharegpt", Choices = [.. DatasetOptions.Names] },
        new("--dataset-path", Text, "File of the data set: JSON for sharegpt, agentic-trace and longbench_v2, JSON lines for custom, openai, mooncake and speed-bench, Parquet for mmmu and, if it is so, longbench_v2.") { Default = "" },
        new("--num-prompts", Integer, "Requests made.") { Default = "1000", Min = 1, Max = Most },
        new("--seed", Integer, "Of every random draw.") { Default = "42", Min = 0, Max = int.MaxValue },
        new("--sharegpt-output-len", Integer, "Output length of every conversation; default: that of its answer.") { Min = 4, Max = Most },
        new("--sharegpt-context-len", Integer, "Leave longer conversations out; default: the model's context.") { Min = 4, Max = Most },
        new("--random-input-len", Integer, "Longest random prompt.") { Default = "1024", Min = 1, Max = Most },
        new("--random-output-len", Integer, "Longest random output.") { Default = "1024", Min = 1, Max = Most },
        new("--random-range-ratio", Number, "Random lengths are uniform on [length * ratio, length].") { Default = "0.0", Min = 0, Max = 1 },
        new("--gsp-num-groups", Integer, "generated-shared-prefix: groups.") { Default = "64", Min = 1, Max = Most },
        new("--gsp-prompts-per-group", Integer, "Prompts in each group.") { Default = "16", Min = 1, Max = Most },
        new("--gsp-system-prompt-len", Integer, "Tokens of the shared beginning.") { Default = "2048", Min = 1, Max = Most },
        new("--gsp-question-len", Integer, "Tokens of each prompt's own end.") { Default = "128", Min = 1, Max = Most },
        new("--gsp-output-len", Integer, "Output length.") { Default = "256", Min = 1, Max = Most },
        new("--gsp-ordered", Switch, "Keep the prompts of a group together."),
        new("--prompt-suffix", Text, "Added to each conversation's prompt.") { Default = "" },
        new("--apply-chat-template", Switch, "Put each conversation's prompt through the model's chat template."),
        new("--gsp-range-ratio", Number, "Lengths of the prefix set are uniform on [length * ratio, length].") { Default = "1.0", Min = 0, Max = 1 },
        new("--gsp-fast-prepare", Switch, "Do not count the tokens of the prefix set's prompts here."),
        new("--gsp-send-routing-key", Switch, "Name each prompt's group in the header X-SMG-Routing-Key."),
        new("--gsp-num-turns", Integer, "Messages of each conversation of the prefix set; more than one needs a chat backend.") { Default = "1", Min = 1, Max = 1024 },
        new("--gsp-group-distribution", Text, "How many prompts a group has.") { Default = "uniform", Choices = s_groupDistributions },
        new("--gsp-zipf-alpha", Number, "zipf: a slot's group is drawn with probability proportional to rank^-alpha.") { Min = 0.000001 },
        new("--mooncake-slowdown-factor", Number, "mooncake: times of the trace are stretched by this.") { Default = "1.0", Min = 0.000001 },
        new("--mooncake-num-rounds", Integer, "mooncake: requests of each line, each with those before it in its prompt.") { Default = "1", Min = 1, Max = 1024 },
        new("--speed-bench-category", Text, "speed-bench: only lines of this category.") { Choices = ["low_entropy", "mixed", "high_entropy"] },
        new("--speed-bench-output-len", Integer, "speed-bench: output length.") { Default = "512", Min = 1, Max = Most },
        new("--agentic-max-turns", Integer, "agentic-trace: turns taken of each conversation; default: all.") { Min = 1, Max = Most },
        new("--mooncake-workload", Text, "") { Default = "conversation", Choices = ["mooncake", "conversation", "synthetic", "toolagent"], NoEffect = "the trace is the file of --dataset-path" },
    ];

    public static DatasetOptions Options(FlagValues flags)
    {
        string name = flags.Text("--dataset-name")!;
        string path = flags.Text("--dataset-path")!;
        if (path.Length > 0 && !File.Exists(path)) throw new UsageException($"--dataset-path: there is no file '{path}'");
        if (path.Length == 0 && DatasetOptions.NeedingFile.Contains(name)) throw new UsageException($"--dataset-name {name} needs --dataset-path: a file of your own; nothing is downloaded");
        bool isZipf = flags.Text("--gsp-group-distribution") == "zipf";
        if (isZipf != flags.IsGiven("--gsp-zipf-alpha"))
            throw new UsageException(isZipf ? "--gsp-group-distribution zipf needs --gsp-zipf-alpha" : "--gsp-zipf-alpha is only for --gsp-group-distribution zipf");
        return new DatasetOptions
        {
            Name = name,
            Path = path,
            NumPrompts = flags.Integer("--num-prompts")!.Value,
            Seed = (uint)flags.Long("--seed")!.Value,
            ShareGptOutputLength = flags.Integer("--sharegpt-output-len"),
            ShareGptContextLength = flags.Integer("--sharegpt-context-len"),
            PromptSuffix = flags.Text("--prompt-suffix")!,
            RandomInputLength = flags.Integer("--random-input-len")!.Value,
            RandomOutputLength = flags.Integer("--random-output-len")!.Value,
            RandomRangeRatio = flags.Number("--random-range-ratio")!.Value,
            PrefixGroups = flags.Integer("--gsp-num-groups")!.Value,
            PromptsPerGroup = flags.Integer("--gsp-prompts-per-group")!.Value,
            SystemPromptLength = flags.Integer("--gsp-system-prompt-len")!.Value,
            QuestionLength = flags.Integer("--gsp-question-len")!.Value,
            PrefixOutputLength = flags.Integer("--gsp-output-len")!.Value,
            IsOrdered = flags.Switch("--gsp-ordered"),
            ApplyChatTemplate = flags.Switch("--apply-chat-template"),
            PrefixRangeRatio = flags.Number("--gsp-range-ratio")!.Value,
            PrefixFastPrepare = flags.Switch("--gsp-fast-prepare"),
            SendRoutingKey = flags.Switch("--gsp-send-routing-key"),
            PrefixTurns = flags.Integer("--gsp-num-turns")!.Value,
            PrefixZipfAlpha = flags.Number("--gsp-zipf-alpha"),
            MooncakeRounds = flags.Integer("--mooncake-num-rounds")!.Value,
            SpeedBenchCategory = flags.Text("--speed-bench-category"),
            SpeedBenchOutputLength = flags.Integer("--speed-bench-output-len")!.Value,
            AgenticMaxTurns = flags.Integer("--agentic-max-turns"),
            SlowdownFactor = flags.Number("--mooncake-slowdown-factor")!.Value,
        };
    }
}
