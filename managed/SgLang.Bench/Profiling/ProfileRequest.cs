using System.Globalization;
using System.Text.Json.Nodes;

namespace SgLang.Bench.Profiling;

/// <summary>What a tool asks of a server's profiler; what is null or empty is left to the server.</summary>
public sealed record ProfileRequest
{
    /// <summary>Steps of each stage, where prefill and decode are recorded apart and no number is given.</summary>
    private const int DefaultStageSteps = 5;

    /// <summary>Under which each window gets a directory of its own; null: SGLANG_TORCH_PROFILER_DIR, else /tmp.</summary>
    public string? OutputDirectory { get; init; }

    /// <summary>Null: until stopped.</summary>
    public int? NumSteps { get; init; }
    public int? StartStep { get; init; }
    public int? StartAfterSteps { get; init; }
    public bool ByStage { get; init; }

    /// <summary>Of prefill and decode; both where it is empty.</summary>
    public IReadOnlyList<string> Stages { get; init; } = [];
    public string? Prefix { get; init; }
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];
    public bool MergeProfiles { get; init; }
    public bool DetailedAnnotations { get; init; }
    public string TraceFormat { get; init; } = "json";

    /// <summary>Whether the server ends the window by itself.</summary>
    public bool EndsByItself => NumSteps is not null || ByStage;

    /// <summary>Steps until it does, over all stages; null where it does not.</summary>
    public int? TotalSteps => (NumSteps ?? (ByStage ? DefaultStageSteps : null)) * (!ByStage || Stages.Count == 1 ? 1 : 2);

    /// <summary>A directory of one window's own, named by the time.</summary>
    public string NewDirectory()
    {
        string root = OutputDirectory ?? Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR") ?? "/tmp";
        string time = (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0).ToString("0.000", CultureInfo.InvariantCulture);
        return Path.Combine(Path.GetFullPath(root), time);
    }

    /// <summary>The body of /start_profile.</summary>
    public JsonObject ToBody(string directory)
    {
        JsonObject body = new()
        {
            ["output_dir"] = directory,
            ["num_steps"] = NumSteps ?? (ByStage ? DefaultStageSteps : null),
            ["activities"] = Texts(Activities),
            ["profile_by_stage"] = ByStage,
            ["merge_profiles"] = MergeProfiles,
            ["trace_format"] = TraceFormat,
            ["detailed_annotations"] = DetailedAnnotations,
        };
        if (Stages.Count > 0) body["profile_stages"] = Texts(Stages);
        if (Prefix is not null) body["profile_prefix"] = Prefix;
        if (StartStep is { } start) body["start_step"] = start;
        if (StartAfterSteps is { } after) body["start_after_steps"] = after;
        return body;
    }

    private static JsonArray Texts(IReadOnlyList<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);
}
