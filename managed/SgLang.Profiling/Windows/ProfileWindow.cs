namespace SgLang.Profiling;

public enum ProfileState : byte
{
    Idle,

    /// <summary>Asked for; its first step has not come.</summary>
    Armed,
    Running,

    /// <summary>Nothing is recorded any more; files are being written.</summary>
    Stopping,
}

/// <summary>What is to be done with a step about to be launched.</summary>
/// <param name="BeginsCapture">Recording has to be turned on before it.</param>
/// <param name="IsRecorded">It belongs to the window.</param>
/// <param name="IsLast">No later step will.</param>
/// <param name="IsWithin">The window goes on around it, whether or not it is recorded.</param>
public readonly record struct StepVerdict(bool BeginsCapture, bool IsRecorded, TraceStage Stage, bool IsLast = false, bool IsWithin = false);

/// <summary>What stopping by hand came to.</summary>
public enum StopVerdict : byte
{
    NotRunning,

    /// <summary>The window had not begun; it is gone.</summary>
    Cancelled,

    /// <summary>The capture ends now.</summary>
    EndsCapture,

    /// <summary>Steps are under way; the capture ends when the last of them has finished.</summary>
    EndsAfterStep,

    /// <summary>It is stopping already.</summary>
    AlreadyStopping,
}

/// <summary>
/// The profiler's state, moved only between steps: which steps belong to a window, when it begins and when it is over. Steps are launched in
/// order of their numbers and finish in the same order; one may be launched before the one before it has finished. No clock, no I/O, not
/// thread safe.
/// </summary>
public sealed class ProfileWindow
{
    public const string AlreadyInProgress = "Profiling is already in progress. Call /stop_profile first.";
    public const string NotInProgress = "Profiling is not in progress. Call /start_profile first.";

    private readonly long[] _recorded = new long[3];
    private readonly List<long> _inFlight = []; // of several replicas, which finish in any order
    private long _first;
    private bool _isFirstKnown;
    private bool _takesNoMore;

    public ProfileState State { get; private set; }
    public ProfileOptions? Options { get; private set; }

    /// <summary>First and last recorded step; 0 before there is one.</summary>
    public long FirstStep { get; private set; }
    public long LastStep { get; private set; }

    /// <summary>Steps recorded so far, those under way included.</summary>
    public long NumRecorded => _recorded[0] + _recorded[1] + _recorded[2];

    /// <summary>Whether recording is to be turned on with the request, before any step comes.</summary>
    public static bool BeginsAtOnce(ProfileOptions options) => !options.IsByStage && options.Condition.IsNone && options.StartStep is null or 0 && options.StartAfterSteps is null or 0;

    /// <summary>Null, or why not.</summary>
    public string? Start(ProfileOptions options)
    {
        if (State != ProfileState.Idle) return AlreadyInProgress;
        Options = options;
        State = BeginsAtOnce(options) ? ProfileState.Running : ProfileState.Armed;
        Array.Clear(_recorded);
        _inFlight.Clear();
        FirstStep = LastStep = 0;
        _isFirstKnown = false;
        _takesNoMore = false;
        return null;
    }

    /// <summary>To be asked before each step is launched, while a window is armed or running.</summary>
    /// <param name="facts">Null where the options have no condition.</param>
    public StepVerdict BeforeStep(long step, StepMode mode, IStepFacts? facts = null)
    {
        if (State is not (ProfileState.Armed or ProfileState.Running) || _takesNoMore) return default;
        if (!_isFirstKnown)
        {
            _isFirstKnown = true;
            _first = Options!.IsByStage ? step : Math.Max(Options.StartStep ?? 0, step + (Options.StartAfterSteps ?? 0));
        }
        if (step < _first) return default;
        StepVerdict passed = new(false, false, TraceStage.Any, IsWithin: NumRecorded > 0);
        TraceStage stage = Options!.IsByStage ? mode == StepMode.Decode ? TraceStage.Decode : TraceStage.Extend : TraceStage.Any;
        if (Options.IsByStage && !Options.Stages.Contains(stage)) return passed;
        if (_recorded[(int)stage] >= Options.NumSteps) return passed;
        if (!Options.Condition.IsNone && !Options.Condition.Holds(mode, facts!)) return passed;

        bool begins = State == ProfileState.Armed;
        State = ProfileState.Running;
        if (FirstStep == 0) FirstStep = step;
        LastStep = step;
        _recorded[(int)stage]++;
        _inFlight.Add(step);
        _takesNoMore = IsComplete();
        return new StepVerdict(begins, true, stage, IsLast: _takesNoMore, IsWithin: true);
    }

    /// <summary>To be told when a step has finished or failed. True: the capture ends now.</summary>
    public bool AfterStep(long step)
    {
        _inFlight.Remove(step);
        if (State != ProfileState.Running || !_takesNoMore || _inFlight.Count > 0) return false;
        State = ProfileState.Stopping;
        return true;
    }

    public StopVerdict Stop()
    {
        switch (State)
        {
            case ProfileState.Idle:
                return StopVerdict.NotRunning;
            case ProfileState.Armed:
                State = ProfileState.Idle;
                return StopVerdict.Cancelled;
            case ProfileState.Stopping:
                return StopVerdict.AlreadyStopping;
            default:
                _takesNoMore = true;
                if (_inFlight.Count > 0) return StopVerdict.EndsAfterStep;
                State = ProfileState.Stopping;
                return StopVerdict.EndsCapture;
        }
    }

    /// <summary>The files are written, or could not be.</summary>
    public void Exported() => State = ProfileState.Idle;

    private bool IsComplete()
    {
        if (Options!.NumSteps is not { } wanted) return false;
        if (!Options.IsByStage) return _recorded[(int)TraceStage.Any] >= wanted;
        foreach (TraceStage stage in Options.Stages)
            if (_recorded[(int)stage] < wanted) return false;
        return true;
    }
}
