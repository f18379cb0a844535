using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// The window of a node that schedules nothing: it begins and ends, and its steps are recorded, as node 0 says; its files are written for node 0
/// to take. <see cref="Begin"/> and <see cref="End"/> are called by one thread, <see cref="Localize"/> by those that launch steps.
/// </summary>
internal sealed class NodeWindow(EngineProfiler profiler)
{
    private volatile Recording? _recording;
    private string? _error;

    /// <param name="options">Its directory is node 0's; files go to one of this machine's own.</param>
    public void Begin(ProfileOptions options)
    {
        Abandon();
        _error = null;
        try
        {
            string directory = Directory.CreateTempSubdirectory("sglang-profile-").FullName;
            Recording recording = new(options with { OutputDirectory = directory, MergeProfiles = false, Format = TraceFormat.Json });
            recording.Capture = profiler.OpenCapture(recording.Options, capture => recording.Export(capture));
            _recording = recording;
        }
        // The step that should be recorded must not fail for it: node 0 learns of it when it asks for the files.
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _error = error.Message;
        }
    }

    /// <summary>What a step's ranks are told here.</summary>
    public StepTrace Localize(StepTrace trace)
    {
        if (_recording is not { } recording) return default;
        return trace with
        {
            DeviceWindow = trace.DeviceWindow != 0 && recording.Capture!.RecordsDevice ? recording.Capture.Window : 0,
            UsesCudaProfiler = trace.UsesCudaProfiler && profiler.HasDevices,
        };
    }

    /// <summary>Ends recording. Files are written on the capture's thread, which then calls <paramref name="send"/>; they are gone when that returns.</summary>
    /// <param name="result">Node 0's; null when nobody wants the files.</param>
    public void End(ProfileResult? result, Action<ProfileResult> send)
    {
        Recording? recording = _recording;
        _recording = null;
        if (recording is null)
        {
            if (result is not null) send(result with { Error = _error ?? "the node has not begun to record" });
            return;
        }
        recording.Export = capture =>
        {
            ProfileOptions options = recording.Options;
            try
            {
                IReadOnlyDictionary<RankPlace, TraceMemory>? memory = profiler.EndMemory(options);
                if (result is not null) send(profiler.WriteFiles(capture, options, result with { OutputDirectory = options.OutputDirectory }, memory));
            }
            finally
            {
                Remove(options.OutputDirectory);
            }
        };
        recording.Capture!.End();
    }

    /// <summary>The node ends, or a new window begins before the old one was asked for.</summary>
    public void Abandon() => End(null, static _ => { });

    private static void Remove(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        // What is left of it lies in the system's directory for that.
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }
    }

    private sealed class Recording(ProfileOptions options)
    {
        public ProfileOptions Options => options;
        public TraceCapture? Capture { get; set; }

        /// <summary>Set before the capture ends.</summary>
        public Action<TraceCapture> Export { get; set; } = static _ => { };
    }
}
