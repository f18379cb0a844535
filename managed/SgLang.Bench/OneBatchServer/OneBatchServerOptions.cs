using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Profiling;

namespace SgLang.Bench.OneBatchServer;

/// <summary>What bench-one-batch-server is asked to do; names are those of its flags.</summary>
public sealed record OneBatchServerOptions
{
    public static IReadOnlyList<string> Backends { get; } = ["sglang", "vllm"];
    public static IReadOnlyList<string> DatasetNames { get; } = ["random", "random-ids", "generated-shared-prefix"];

    public required Uri BaseUrl { get; init; }

    /// <summary>Whole value of the Authorization header; null: none.</summary>
    public string? Authorization { get; init; }
    public string RunName { get; init; } = "default";
    public IReadOnlyList<int> BatchSizes { get; init; } = [1];
    public IReadOnlyList<int> InputLengths { get; init; } = [1024];
    public IReadOnlyList<int> OutputLengths { get; init; } = [16];

    /// <summary>Empty: none.</summary>
    public string ResultFile { get; init; } = "result.jsonl";
    public double Temperature { get; init; }
    public bool ReturnLogprob { get; init; }

    /// <summary>Tokens of a streamed event.</summary>
    public int StreamInterval { get; init; } = 1;

    /// <summary>Name, path, seed and shape of the shared prefix; lengths are those of the case.</summary>
    public DatasetOptions Dataset { get; init; } = new() { Name = "random" };

    /// <summary>Every row is this file's text; empty: the data set.</summary>
    public string FixedPromptFile { get; init; } = "";
    public bool ApplyChatTemplate { get; init; }

    /// <summary>Share of each prompt that is put in the prefix cache beforehand, 0 to 1.</summary>
    public double CacheHitRate { get; init; }
    public bool ParallelBatch { get; init; }
    public bool SkipWarmup { get; init; }
    public bool ShowReport { get; init; }

    /// <summary>Directory; empty: what the server names.</summary>
    public string LocalTokenizer { get; init; } = "";
    public string Backend { get; init; } = "sglang";
    public IReadOnlyList<string> LoraNames { get; init; } = [];
    public string LoraDistribution { get; init; } = "uniform";
    public double LoraZipfAlpha { get; init; } = 1.1;

    /// <summary>Allow batches above the server's running limit.</summary>
    public bool EnableMultiBatch { get; init; }

    /// <summary>Ask a decode worker to pretend that the prefill was done elsewhere.</summary>
    public bool FakePrefill { get; init; }

    /// <summary>Dollars an hour and device, for the cost columns of the report; null: they are n/a.</summary>
    public double? HourlyPrice { get; init; }

    /// <summary>File for all results as one JSON array; empty: none.</summary>
    public string SummaryFile { get; init; } = "";

    /// <summary>What <see cref="SummaryFile"/> says the server was started with.</summary>
    public IReadOnlyList<string> ServerArguments { get; init; } = [];

    /// <summary>Where the report is appended for a continuous-integration service; null: nowhere.</summary>
    public string? GithubSummaryFile { get; init; }

    /// <summary>What is recorded of a second run of each case, whose batch and input length follow the prefix; null: there is none.</summary>
    public ProfileRequest? Profile { get; init; }
    public JsonObject Arguments { get; init; } = [];
}
