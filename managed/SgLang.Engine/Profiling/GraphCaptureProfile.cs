using System.Text.Json;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// Profiles the capture of decode graphs at the start (spec/profiling.md 9.3): the ten operators that took most time on the device and on the host go to
/// the log and a snapshot of memory to the working directory; on request the trace is kept, one file for each rank or one for each batch size.
/// What goes wrong with a file is logged; the engine starts all the same. Thread safe.
/// </summary>
internal sealed partial class GraphCaptureProfile
{
    public const string TraceVariable = "SGLANG_ENABLE_CUDA_GRAPH_CAPTURE_TRACE";
    public const string SizesVariable = "SGLANG_GRAPH_BATCH_CAPTURE";
    public const string DirectoryVariable = "SGLANG_TORCH_PROFILER_DIR";
    public const string SnapshotName = "cuda_graph_runner_memory_usage";
    private const int RowsShown = 10;

    private readonly EngineProfiler _profiler;
    private readonly Lock _gate = new();
    private readonly bool _keepsTrace, _keepsSizes;
    private readonly string _directory, _snapshotDirectory;
    private int _numBegun, _numEnded;

    /// <param name="directory">Traces go into its folder `graph_capture_profile`.</param>
    /// <param name="snapshotDirectory">For the snapshot of memory.</param>
    internal GraphCaptureProfile(EngineProfiler profiler, bool keepsTrace, bool keepsSizes, string directory, string snapshotDirectory)
    {
        _profiler = profiler;
        _keepsTrace = keepsTrace;
        _keepsSizes = keepsSizes && !keepsTrace;
        _directory = Path.Combine(directory, "graph_capture_profile");
        _snapshotDirectory = snapshotDirectory;
    }

    /// <summary>Null where nobody asks for it.</summary>
    public static GraphCaptureProfile? For(EngineOptions options, Func<string, string?> variable, EngineProfiler profiler)
    {
        bool keepsTrace = IsOn(variable(TraceVariable)), keepsSizes = IsOn(variable(SizesVariable));
        if (!options.EnableProfileCudaGraph && !keepsTrace && !keepsSizes) return null;
        string directory = variable(DirectoryVariable) is { Length: > 0 } given ? given : Path.GetTempPath();
        return new GraphCaptureProfile(profiler, keepsTrace, keepsSizes, directory, Environment.CurrentDirectory);

        static bool IsOn(string? value) => value is "1" || string.Equals(value, "true", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Ranks of one process are recorded together, so only a single one can have a file for each of its sizes.</summary>
    private bool RecordsSizes => _keepsSizes && _profiler.Places.Count == 1;

    /// <summary>A rank is about to capture; on its thread.</summary>
    public void Begin(RankTrace trace)
    {
        if (RecordsSizes) return;
        lock (_gate)
        {
            if (_numBegun++ == 0) TryStart(_keepsTrace || _keepsSizes ? _directory : Path.Combine(Path.GetTempPath(), $"sglang-capture-{Guid.NewGuid():N}"), NameOfAll());
        }
        trace.BeginRecording(_profiler.DeviceWindow);
    }

    /// <summary>Runs the recording of one size.</summary>
    public void Record(RankTrace trace, int size, Action record)
    {
        if (RecordsSizes)
        {
            TryStart(_directory, $"{nameof(GraphRunner)}_bs_{size}_rank0.json.gz");
            trace.BeginRecording(_profiler.DeviceWindow);
        }
        // The name by which TraceLens knows such a span.
        int name = trace.Register($"capture_{size}_{nameof(GraphRunner)}");
        long start = trace.Begin();
        record();
        trace.End(start, name, size);
        if (!RecordsSizes) return;
        trace.EndRecording();
        Finish(showsTables: false);
    }

    /// <summary>A rank has captured all; the last one's waits for the files.</summary>
    public void End(RankTrace trace)
    {
        if (RecordsSizes) return;
        trace.EndRecording();
        lock (_gate)
        {
            if (++_numEnded < _profiler.Places.Count) return;
        }
        Finish(showsTables: true);
    }

    /// <summary>With a rank's place also where there is one, as is expected of these files.</summary>
    private string NameOfAll() => $"cuda_graph_capture-{nameof(GraphRunner)}{(_profiler.Places.Count == 1 ? "-TP-0" : "")}.json.gz";

    private void TryStart(string directory, string file)
    {
        ProfileOptions options = new()
        {
            OutputDirectory = directory,
            Id = "cuda-graph-capture",
            FileName = file,
            Activities = _profiler.Device is null ? ["CPU", "MEM"] : ["CPU", "GPU", "MEM"],
            Notes = ["Launches that are recorded into a graph have no work of their own: the file counts them among launches without kernels."],
        };
        try
        {
            if (_profiler.Start(options) is { } refusal) Log.Failed(_profiler.Logger, refusal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Log.Failed(_profiler.Logger, error.Message);
        }
    }

    private void Finish(bool showsTables)
    {
        if (_profiler.Stop()?.GetAwaiter().GetResult() is not { } result) return;
        if (result.Error is { } wrong) Log.Failed(_profiler.Logger, wrong);
        string[] traces = [.. result.Files.Where(file => file.EndsWith(".gz", StringComparison.Ordinal))];
        try
        {
            if (showsTables && traces.Length > 0)
            {
                TraceAnalysis analysis = TraceAnalyzer.Analyze([traces[0]]);
                if (analysis.HasDeviceWork) Log.Table(_profiler.Logger, AnalysisText.WriteOperatorShapes(analysis, RowsShown));
                Log.Table(_profiler.Logger, AnalysisText.WriteHostOperatorShapes(analysis, RowsShown));
            }
            MoveSnapshots([.. result.Files.Except(traces)]);
            if (_keepsTrace || _keepsSizes)
                foreach (string trace in traces) Log.Written(_profiler.Logger, trace);
            else Directory.Delete(result.OutputDirectory, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidDataException)
        {
            Log.Failed(_profiler.Logger, error.Message);
        }
    }

    /// <summary>The first rank's under the name by itself, the others' with their places; of sizes each beside its trace.</summary>
    private void MoveSnapshots(string[] snapshots)
    {
        if (RecordsSizes) return;
        for (int rank = 0; rank < snapshots.Length; rank++)
            File.Move(snapshots[rank], Path.Combine(_snapshotDirectory, $"{SnapshotName}{(rank == 0 ? "" : $"-{rank}")}.pickle"), overwrite: true);
    }

    private static partial class Log
    {
        [LoggerMessage(47, LogLevel.Information, "Capture of CUDA graphs: {Table:l}")]
        public static partial void Table(ILogger logger, string table);

        [LoggerMessage(48, LogLevel.Information, "The capture of CUDA graphs is traced in {Path:l}")]
        public static partial void Written(ILogger logger, string path);

        [LoggerMessage(49, LogLevel.Warning, "The capture of CUDA graphs could not be profiled: {Reason:l}")]
        public static partial void Failed(ILogger logger, string reason);
    }
}
