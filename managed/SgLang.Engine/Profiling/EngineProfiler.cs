using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Interop;
using SgLang.Profiling;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// The profiler of one engine: the recorder that every thread writes to, the window, and the files. Requests come from any thread; the window
/// moves on the engine thread between steps; files are written by the capture's thread while serving goes on.
/// </summary>
public sealed partial class EngineProfiler : IDisposable
{
    /// <summary>Windows that are remembered.</summary>
    private const int MaxResults = 100;

    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly ProfileWindow _window = new();
    private readonly List<ProfileResult> _results = [];
    private ProfileResult? _last;
    private readonly List<(DeviceContext Context, DeviceProperties Properties)> _devices = [];
    private readonly PlanFacts _facts = new();
    private string _deviceReason = "this server runs on the CPU, which has no device activity";
    private bool _isCancelled;
    private TraceCapture? _capture;
    private TaskCompletionSource<ProfileResult> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isBusy;
    private long _step;

    /// <summary>More than a replica has under way, whatever its stages.</summary>
    private const int PlansInFlight = 256;
    private long[] _numbers = [];

    internal EngineProfiler(ILogger? logger = null, FlightRecorderOptions? flight = null)
    {
        _logger = logger ?? NullLogger.Instance;
        Spans = new EngineSpans(Recorder.Names);
        Flight = new FlightDumper(this, flight ?? new FlightRecorderOptions(), _logger);
    }

    public TraceRecorder Recorder { get; } = new();
    internal ILogger Logger => _logger;

    /// <summary>Null where the capture of graphs is not profiled.</summary>
    internal GraphCaptureProfile? GraphCapture { get; set; }

    /// <summary>What ranks turn device activity on for; 0 where the window under way has none.</summary>
    internal long DeviceWindow
    {
        get
        {
            lock (_gate) return _capture is { RecordsDevice: true } ? _capture.Window : 0;
        }
    }

    /// <summary>What is kept of the latest steps whether or not a window is open.</summary>
    public FlightDumper Flight { get; }
    internal EngineSpans Spans { get; }

    /// <summary>Null for a world of one node, and on nodes other than 0.</summary>
    internal INodeProfiles? Nodes { get; set; }

    internal bool HasDevices => _devices.Count > 0;

    /// <summary>How files and answers name each rank, those of other nodes included.</summary>
    public IReadOnlyList<string> RankLabels => Places.Labels;

    /// <summary>Every rank, each of which gets a file of its own.</summary>
    internal RankFileSet Places
    {
        get;
        set
        {
            field = value;
            _numbers = new long[value.DpSize * PlansInFlight];
        }
    } = RankFileSet.Single;

    /// <summary>Memory of each rank's device, in the order of <see cref="Places"/>.</summary>
    private readonly RankMemories _memories = new();

    /// <summary>Of each rank's memory that a window keeps.</summary>
    internal int MaxMemoryChanges { get; init; } = new EngineEnvironment().MaxMemoryChanges;

    /// <summary>The first window then finds CUPTI attached.</summary>
    internal bool AttachesAtStart { get; init; }

    /// <summary>Of all ranks; null where there is none.</summary>
    internal DeviceTrace? Device { get; private set; }

    /// <summary>
    /// A rank's device, before anything is captured on it: device activity is recorded from here on when a window asks for it. Without CUPTI, or
    /// beside another profiler, windows say that there is none.
    /// </summary>
    internal void AttachDevice(DeviceContext context)
    {
        if (context.GetProperties() is not { } properties) return;
        lock (_gate)
        {
            _devices.Add((context, properties));
            if (Device is not null) return;
            Device = DeviceTrace.TryOpen(library: null, BufferBytes("SGLANG_PROFILE_DEVICE_BUFFER_BYTES"), BufferBytes("SGLANG_PROFILE_DEVICE_MAX_BYTES"), out _deviceReason);
        }
        try
        {
            // Of several ranks one cannot attach CUPTI while the others' graphs run. A rank alone does at the first window, up to which its
            // launches cost what they cost without CUPTI.
            if (Places.Count > 1 || AttachesAtStart) Device?.Attach();
        }
        catch (SglException error)
        {
            Device!.Dispose();
            Device = null;
            _deviceReason = error.Message;
        }
        if (Device is null) Log.NoDeviceActivity(_logger, _deviceReason);
    }

    /// <summary>A rank's memory, which windows with `MEM` show.</summary>
    internal void AttachMemory(RankPlace place, DeviceContext context, long kvBytesPerToken)
    {
        lock (_gate) _memories.Add(place, context, kvBytesPerToken);
    }

    /// <summary>For tests of loss; 0, the library's choice, where it is not set.</summary>
    private static long BufferBytes(string variable) =>
        long.TryParse(Environment.GetEnvironmentVariable(variable), System.Globalization.CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;

    /// <summary>Why nothing would be recorded, or null.</summary>
    public string? ReasonAgainst(ProfileOptions options)
    {
        if (options.RecordsHost || options.RecordsMemory || (options.RecordsDevice && Device is not null)) return null;
        if (options.UsesCudaProfiler && _devices.Count > 0) return null;
        string reason = options.UsesCudaProfiler && !options.RecordsDevice ? "CUDA_PROFILER needs a GPU, and this server runs on the CPU" : _deviceReason;
        return $"activities {string.Join(", ", options.Activities)}: nothing can be recorded: {reason}. Add CPU.";
    }

    /// <summary>Null, or why not: a window is under way, or the directory cannot be written.</summary>
    /// <exception cref="IOException">The output directory cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public string? Start(ProfileOptions options)
    {
        lock (_gate)
        {
            if (_window.State != ProfileState.Idle) return ProfileWindow.AlreadyInProgress;
            Directory.CreateDirectory(options.OutputDirectory);
            // By now rather than at the end: nobody wants to learn then that it is read-only.
            string probe = Path.Combine(options.OutputDirectory, $".sglang-{Guid.NewGuid():N}");
            File.Create(probe, 1, FileOptions.DeleteOnClose).Dispose();
            _window.Start(options);
            _isCancelled = false;
            _ended = new TaskCompletionSource<ProfileResult>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_window.State == ProfileState.Running)
            {
                try
                {
                    BeginCapture();
                }
                catch
                {
                    _window.Exported();
                    throw;
                }
            }
            _isBusy = true;
        }
        Log.Started(_logger, options.OutputDirectory, options.Id);
        return null;
    }

    /// <summary>
    /// Ends the window under way after the step that is running. The task completes when its files are written; it is null when there is no
    /// window.
    /// </summary>
    public Task<ProfileResult>? Stop()
    {
        lock (_gate)
        {
            Task<ProfileResult> ended = _ended.Task;
            switch (_window.Stop())
            {
                case StopVerdict.NotRunning:
                    return null;
                case StopVerdict.Cancelled:
                    Complete(Describe(_window.Options!) with { WasCancelled = true });
                    break;
                case StopVerdict.EndsCapture:
                    EndCapture();
                    break;
            }
            return ended;
        }
    }

    /// <summary>Ends the window as <see cref="Stop"/> does, but writes no files.</summary>
    public Task<ProfileResult>? Cancel()
    {
        lock (_gate)
        {
            if (_window.State is ProfileState.Idle) return null;
            _isCancelled = true;
        }
        return Stop();
    }

    /// <summary>A dump of the flight recorder is listed among the windows.</summary>
    internal void Add(FlightDump dump)
    {
        lock (_gate)
        {
            Remember(new ProfileResult
            {
                Id = dump.Id,
                OutputDirectory = dump.OutputDirectory,
                FirstStep = dump.FirstStep,
                LastStep = dump.LastStep,
                NumSteps = dump.NumSteps,
                Files = dump.Files,
            });
        }
    }

    /// <summary>Windows that are over and dumps of the flight recorder, the latest last.</summary>
    public IReadOnlyList<ProfileResult> Results
    {
        get
        {
            lock (_gate) return [.. _results];
        }
    }

    public ProfileStatus Status
    {
        get
        {
            lock (_gate)
            {
                bool isIdle = _window.State == ProfileState.Idle;
                return new ProfileStatus
                {
                    State = _window.State,
                    Step = _step,
                    Options = isIdle ? null : _window.Options,
                    FirstStep = isIdle ? 0 : _window.FirstStep,
                    NumRecorded = isIdle ? 0 : _window.NumRecorded,
                    Last = _last,
                };
            }
        }
    }

    /// <summary>Engine thread, before each launch.</summary>
    internal StepTrace BeforeStep(StepPlan plan, int replica = 0)
    {
        long number = NumberOf(plan, replica);
        if (!_isBusy) return default;
        lock (_gate)
        {
            // The window may have ended since; of several replicas' engine threads only one sees it end.
            if (_window.State is not (ProfileState.Armed or ProfileState.Running)) return default;
            ProfileOptions options = _window.Options!;
            _facts.Plan = plan;
            StepVerdict verdict = _window.BeforeStep(number, ModeOf(plan), _facts);
            if (verdict.BeginsCapture && !TryBeginCapture()) return default;
            if (!verdict.IsWithin) return default;
            return new StepTrace(verdict.IsRecorded, verdict.Stage, verdict.IsRecorded && options.DetailedAnnotations,
                _capture!.RecordsDevice ? _capture.Window : 0, options.UsesCudaProfiler && _devices.Count > 0, verdict.IsLast);
        }
    }

    /// <summary>Engine thread, when a step's result has been dealt with.</summary>
    internal void AfterStep(StepPlan plan, int replica = 0)
    {
        if (!_isBusy) return;
        lock (_gate)
        {
            if (_window.AfterStep(Places.DpSize == 1 ? plan.StepId : _numbers[SlotOf(plan, replica)])) EndCapture();
        }
    }

    /// <summary>A plan's own number, or, with several replicas, its place among all their steps.</summary>
    private long NumberOf(StepPlan plan, int replica)
    {
        if (Places.DpSize > 1) return _numbers[SlotOf(plan, replica)] = Interlocked.Increment(ref _step);
        Volatile.Write(ref _step, plan.StepId);
        return plan.StepId;
    }

    private static int SlotOf(StepPlan plan, int replica) => replica * PlansInFlight + (int)(plan.StepId % PlansInFlight);

    internal static StepMode ModeOf(StepPlan plan) => plan.Kind switch
    {
        StepKind.Prefill => StepMode.Extend,
        StepKind.Decode => StepMode.Decode,
        _ => StepMode.Mixed,
    };

    /// <summary>The engine has stopped: what was recorded is still written.</summary>
    public void Dispose()
    {
        TraceCapture? capture;
        lock (_gate)
        {
            capture = _capture;
            switch (_window.State)
            {
                case ProfileState.Armed:
                    _window.Stop();
                    Complete(Describe(_window.Options!) with { WasCancelled = true });
                    break;
                case ProfileState.Running:
                    _window.Stop();
                    EndCapture();
                    break;
            }
        }
        capture?.Join();
        Device?.Dispose();
    }

    private void BeginCapture()
    {
        _capture = OpenCapture(_window.Options!, Export);
        // Before any step that says it is recorded.
        Nodes?.Begin(_capture.Window, _window.Options!);
    }

    internal TraceCapture OpenCapture(ProfileOptions options, Action<TraceCapture> export)
    {
        if (options.RecordsMemory) _memories.Begin(MaxMemoryChanges);
        return new TraceCapture(Recorder, options.OutputDirectory, export, device: options.RecordsDevice ? Device : null,
            withStacks: options.WithStack && options.RecordsHost);
    }

    /// <summary>What <see cref="OpenCapture"/> began to keep of memory; null where it was not asked for.</summary>
    internal IReadOnlyDictionary<RankPlace, TraceMemory>? EndMemory(ProfileOptions options)
    {
        lock (_gate) return options.RecordsMemory ? _memories.End() : null;
    }

    /// <summary>On the engine thread, which a full or vanished disk must not end.</summary>
    private bool TryBeginCapture()
    {
        try
        {
            BeginCapture();
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Log.Failed(_logger, error, _window.Options!.OutputDirectory);
            Complete(Describe(_window.Options!) with { Error = error.Message });
            return false;
        }
    }

    private void EndCapture() => _capture!.End();

    private void Complete(ProfileResult result)
    {
        _window.Exported();
        _isBusy = false;
        _capture = null;
        _last = result;
        Remember(result);
        _ended.SetResult(result);
    }

    private void Remember(ProfileResult result)
    {
        _results.Add(result);
        if (_results.Count > MaxResults) _results.RemoveAt(0);
    }

    private ProfileResult Describe(ProfileOptions options) => new()
    {
        Id = options.Id,
        OutputDirectory = options.OutputDirectory,
        FirstStep = _window.FirstStep,
        LastStep = _window.LastStep,
        NumSteps = _window.NumRecorded,
    };

    /// <summary>On the capture's thread.</summary>
    private void Export(TraceCapture capture)
    {
        ProfileOptions options = _window.Options!;
        ProfileResult result = Describe(options);
        bool isCancelled;
        lock (_gate) isCancelled = _isCancelled;
        IReadOnlyDictionary<RankPlace, TraceMemory>? memory = EndMemory(options);
        // A range for an external profiler leaves no file of ours.
        if (isCancelled || !(options.RecordsHost || options.RecordsDevice || options.RecordsMemory))
        {
            Nodes?.Drop(capture.Window);
            result = result with { RecordsDropped = Dropped(capture), WasCancelled = isCancelled };
        }
        else
        {
            result = WriteFiles(capture, options, result, memory);
            if (result.Error is null) Log.Done(_logger, options.OutputDirectory);
        }
        lock (_gate) Complete(result);
    }

    /// <summary>The result with the window's files, or with what went wrong and those that are whole.</summary>
    internal ProfileResult WriteFiles(TraceCapture capture, ProfileOptions options, ProfileResult result, IReadOnlyDictionary<RankPlace, TraceMemory>? memory)
    {
        List<string> files = [];
        result = result with { RecordsDropped = Dropped(capture) };
        try
        {
            ProfileFiles target = new(Places, [.. _devices.Select(device => device.Properties)], memory, Device is null ? _deviceReason : null);
            NodeProfileFiles[] others = target.Write(capture, options, result, files, Nodes);
            result = result with { RecordsDropped = result.RecordsDropped + others.Sum(node => node.RecordsDropped) };
            if (others.Where(node => node.Error is not null).Select(node => $"node {node.Node}: {node.Error}").ToArray() is { Length: > 0 } errors)
                throw new IOException(string.Join("; ", errors));
        }
        // Nothing that goes wrong with a file may end the process.
        catch (Exception error)
        {
            result = result with { Error = error.Message };
            Log.Failed(_logger, error, options.OutputDirectory);
        }
        return result with { Files = files };
    }

    private static long Dropped(TraceCapture capture) => capture.DroppedByRings + capture.DroppedBySpool + capture.DroppedActivities;

    private static partial class Log
    {
        [LoggerMessage(40, LogLevel.Information, "Profiling starts. Traces will be saved to: {Directory:l} (with profile id: {Id:l})")]
        public static partial void Started(ILogger logger, string directory, string id);

        [LoggerMessage(41, LogLevel.Information, "Profiling done. Traces are saved to: {Directory:l}")]
        public static partial void Done(ILogger logger, string directory);

        [LoggerMessage(43, LogLevel.Warning, "Device activity cannot be profiled: {Reason:l}")]
        public static partial void NoDeviceActivity(ILogger logger, string reason);

        [LoggerMessage(42, LogLevel.Error, "The trace could not be written to {Directory}")]
        public static partial void Failed(ILogger logger, Exception error, string directory);
    }
}
