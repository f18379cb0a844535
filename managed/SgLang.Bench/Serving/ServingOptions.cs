using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;

namespace SgLang.Bench.Serving;

/// <summary>What bench-serving is asked to do; names are those of its flags.</summary>
public sealed record ServingOptions
{
    public Backend Backend { get; init; } = Backend.Sglang;
    public required Uri BaseUrl { get; init; }

    /// <summary>Null: the first of /v1/models.</summary>
    public string? Model { get; init; }

    /// <summary>Name put in requests instead of the model.</summary>
    public string? ServedModelName { get; init; }

    /// <summary>Directory; null: what /model_info names, else the model's.</summary>
    public string? Tokenizer { get; init; }
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>Requests a second of a Poisson process; infinity sends all at once.</summary>
    public double RequestRate { get; init; } = double.PositiveInfinity;

    /// <summary>Most open requests; null: any number.</summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>Null: a name of the run; empty: none.</summary>
    public string? OutputFile { get; init; }
    public bool OutputDetails { get; init; }
    public int WarmupRequests { get; init; } = 1;
    public bool FlushCache { get; init; }
    public double FlushCacheTimeout { get; init; } = 60;
    public double ReadyTimeout { get; init; } = 60;
    public bool IsStreaming { get; init; } = true;
    public bool IgnoreEos { get; init; } = true;
    public double Temperature { get; init; }
    public double TopP { get; init; } = 1;
    public bool ReturnLogprob { get; init; }
    public bool ShowsProgress { get; init; }
    public string? Tag { get; init; }

    /// <summary>Merged over the top level of every request.</summary>
    public JsonObject ExtraBody { get; init; } = [];

    /// <summary>Name and value, sent with every request.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];
    public string? ApiKey { get; init; }
    public ProfileOptions? Profile { get; init; }
    public JsonObject Arguments { get; init; } = [];
}

/// <summary>What is asked of /start_profile; null fields are left to the server.</summary>
public sealed record ProfileOptions
{
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];
    public int? StartStep { get; init; }
    public int? NumSteps { get; init; }
    public bool ByStage { get; init; }
    public IReadOnlyList<string> Stages { get; init; } = [];
    public string? OutputDirectory { get; init; }
    public string? Prefix { get; init; }

    /// <summary>Worker name to address; empty: the server that is measured.</summary>
    public IReadOnlyList<KeyValuePair<string, Uri>> Workers { get; init; } = [];
}
