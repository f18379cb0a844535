namespace SgLang.Bench.Datasets;

/// <summary>Which requests to make; names are those of the flags.</summary>
public sealed record DatasetOptions
{
    public static IReadOnlyList<string> Names { get; } =
        ["sharegpt", "random", "random-ids", "custom", "openai", "generated-shared-prefix", "mooncake", "longbench_v2", "speed-bench", "agentic-trace", "image", "mmmu"];

    /// <summary>Made from <see cref="Path"/> alone.</summary>
    public static IReadOnlyList<string> NeedingFile { get; } = ["custom", "openai", "mooncake", "longbench_v2", "speed-bench", "agentic-trace", "mmmu"];

    /// <summary>Requests have images beside their text.</summary>
    public bool IsOfImages => Name is "image" or "mmmu";

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

    /// <summary>Conversations' prompts go through the model's chat template, as one user message.</summary>
    public bool ApplyChatTemplate { get; init; }

    /// <summary>Rows left out at the beginning.</summary>
    public int Offset { get; init; }
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

    /// <summary>Lengths of the prefix set are uniform on [max(int(length * ratio), 1), length].</summary>
    public double PrefixRangeRatio { get; init; } = 1;

    /// <summary>Do not count the tokens of the prefix set's prompts; the server does.</summary>
    public bool PrefixFastPrepare { get; init; }

    /// <summary>Name each prompt's group to a router.</summary>
    public bool SendRoutingKey { get; init; }

    /// <summary>Messages of each conversation of the prefix set.</summary>
    public int PrefixTurns { get; init; } = 1;

    /// <summary>Null: groups of equal size; else a slot's group is drawn with probability proportional to rank^-alpha.</summary>
    public double? PrefixZipfAlpha { get; init; }

    /// <summary>Keep the prompts of a group together.</summary>
    public bool IsOrdered { get; init; }

    /// <summary>Requests that each line of a Mooncake trace makes, each with those before it in its prompt.</summary>
    public int MooncakeRounds { get; init; } = 1;

    /// <summary>speed-bench: only lines of this category; null: all.</summary>
    public string? SpeedBenchCategory { get; init; }
    public int SpeedBenchOutputLength { get; init; } = 512;

    /// <summary>agentic-trace: turns taken of each conversation; null: all.</summary>
    public int? AgenticMaxTurns { get; init; }

    /// <summary>image: images of each request, or the most of them.</summary>
    public int ImageCount { get; init; } = 1;

    /// <summary>image: the number of images is drawn for each request.</summary>
    public bool HasRandomImageCount { get; init; }

    /// <summary>image: what <see cref="ImageResolution.Parse"/> takes.</summary>
    public string ImageResolution { get; init; } = "1080p";

    /// <summary>image: jpeg or png.</summary>
    public string ImageFormat { get; init; } = "jpeg";

    /// <summary>image: random or blank.</summary>
    public string ImageContent { get; init; } = "random";

    /// <summary>Times of a trace are stretched by this.</summary>
    public double SlowdownFactor { get; init; } = 1;
}
