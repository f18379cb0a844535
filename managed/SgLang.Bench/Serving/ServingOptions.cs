using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Profiling;

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

    public ArrivalOptions Arrivals { get; init; } = new();

    /// <summary>Rates to measure one after the other, each a run of its own; empty: the one of <see cref="Arrivals"/>.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [];

    /// <summary>Send when the data set's time stamps say, instead of <see cref="Arrivals"/>.</summary>
    public bool UseTraceTimestamps { get; init; }

    /// <summary>Runs of each rate.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>Limits that a good answer keeps; null: no goodput is reported.</summary>
    public ServiceObjectives? Objectives { get; init; }

    /// <summary>Look for the highest rate at which the objectives are met, from <see cref="Arrivals"/>'s rate or 1 upwards.</summary>
    public bool FindMaxRate { get; init; }

    /// <summary>Share of requests that must meet the objectives at such a rate.</summary>
    public double ObjectiveShare { get; init; } = 0.9;

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
    public int TopLogprobs { get; init; }
    public IReadOnlyList<int> TokenIdsLogprob { get; init; } = [];
    public int LogprobStartLength { get; init; } = -1;
    public bool ReturnRoutedExperts { get; init; }

    /// <summary>Ask a decode worker to pretend that the prefill was done elsewhere.</summary>
    public bool FakePrefill { get; init; }
    public IReadOnlyList<string> LoraNames { get; init; } = [];
    public string LoraDistribution { get; init; } = "uniform";
    public double LoraZipfAlpha { get; init; } = 1.5;

    /// <summary>A connection for each request.</summary>
    public bool FreshConnections { get; init; }
    public bool PrintRequests { get; init; }
    public bool CacheReport { get; init; }
    public bool PlotThroughput { get; init; }

    /// <summary>Directory for pictures; null: none.</summary>
    public string? PlotDirectory { get; init; }

    /// <summary>File for a report that needs no other file; null: none.</summary>
    public string? HtmlFile { get; init; }
    public bool ShowsProgress { get; init; }
    public string? Tag { get; init; }

    /// <summary>Merged over the top level of every request.</summary>
    public JsonObject ExtraBody { get; init; } = [];

    /// <summary>Name and value, sent with every request.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Whole value of the Authorization header; null: none.</summary>
    public string? Authorization { get; init; }
    public ProfileRequest? Profile { get; init; }

    /// <summary>Workers to profile, by name; empty: the server that is measured.</summary>
    public IReadOnlyList<KeyValuePair<string, Uri>> ProfiledWorkers { get; init; } = [];
    public JsonObject Arguments { get; init; } = [];
}
