using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Core;

namespace SgLang.Bench.Offline;

/// <summary>What bench-offline-throughput is asked to do; names are those of its flags.</summary>
public sealed record OfflineOptions
{
    public required EngineOptions Engine { get; init; }
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>Empty: none.</summary>
    public string ResultFile { get; init; } = "";
    public bool IgnoreEos { get; init; } = true;
    public bool ReturnLogprob { get; init; }

    /// <summary>First prompt position with log-probabilities; -1: output tokens only.</summary>
    public int LogprobStartLength { get; init; } = -1;
    /// <summary>Merged over the sampling parameters of every request, in the field names of /generate.</summary>
    public JsonObject ExtraSampling { get; init; } = [];
    public bool SkipWarmup { get; init; }
    /// <summary>A terminal on which to show how far the run is; null: nothing is shown.</summary>
    public TextWriter? ProgressOutput { get; init; }

    /// <summary>Record the measured run; null: do not.</summary>
    public OfflineProfileOptions? Profile { get; init; }
    public JsonObject Arguments { get; init; } = [];
}

/// <summary>What --profile of bench-offline-throughput records.</summary>
/// <param name="Steps">From the first on; null: all.</param>
public sealed record OfflineProfileOptions(string Directory, IReadOnlyList<string> Activities, int? Steps, bool WithStack = true, bool RecordShapes = true);
