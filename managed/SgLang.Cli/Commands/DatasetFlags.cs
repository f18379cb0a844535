using SgLang.Bench.Datasets;
using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of the data sets, which several tools share.</summary>
internal static class DatasetFlags
{
    private const int Most = 1 << 24;
    private const string NotYet = "it is not implemented yet";

    public static IReadOnlyList<Flag> All { get; } =
    [
        new("--dataset-name", Text, "Which requests are made; sharegpt and random use built-in text where no --dataset-path is given.") { Default = "sharegpt", Choices = [.. DatasetOptions.Names] },
        new("--dataset-path", Text, "File of the data set: ShareGPT's JSON, or JSON lines for custom.") { Default = "" },
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
        new("--apply-chat-template", Switch, "") { OnlyDefault = NotYet },
    ];

    public static DatasetOptions Options(FlagValues flags) => new()
    {
        Name = flags.Text("--dataset-name")!,
        Path = flags.Text("--dataset-path")!,
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
    };
}
