namespace SgLang.Bench.Datasets;

/// <summary>Which requests to make; names are those of the flags.</summary>
public sealed record DatasetOptions
{
    public static IReadOnlyList<string> Names { get; } = ["sharegpt", "random", "random-ids", "custom", "generated-shared-prefix"];

    public string Name { get; init; } = "sharegpt";

    /// <summary>Empty: the built-in conversations where the set needs text.</summary>
    public string Path { get; init; } = "";
    public int NumPrompts { get; init; } = 1000;
    public uint Seed { get; init; } = 42;

    /// <summary>Output length of every conversation; null: the length of its answer.</summary>
    public int? ShareGptOutputLength { get; init; }

    /// <summary>Conversations longer than this are left out.</summary>
    public int? ShareGptContextLength { get; init; }
    public string PromptSuffix { get; init; } = "";
    public int RandomInputLength { get; init; } = 1024;
    public int RandomOutputLength { get; init; } = 1024;

    /// <summary>Lengths are uniform on [max(int(length * ratio), 1), length].</summary>
    public double RandomRangeRatio { get; init; }

    /// <summary>Prompts stay ids instead of becoming text.</summary>
    public bool TokenizePrompt { get; init; }
    public int PrefixGroups { get; init; } = 64;
    public int PromptsPerGroup { get; init; } = 16;
    public int SystemPromptLength { get; init; } = 2048;
    public int QuestionLength { get; init; } = 128;
    public int PrefixOutputLength { get; init; } = 256;

    /// <summary>Keep the prompts of a group together.</summary>
    public bool IsOrdered { get; init; }
}
