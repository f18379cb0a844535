using System.Diagnostics;
using SgLang.Models;
using SgLang.Profiling;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Spans of one rank's thread, and its part of device activity. Whether a step is recorded was decided when it was launched, because the rank
/// may still be at an earlier step when recording begins or ends.
/// </summary>
internal sealed class RankTrace : IDisposable
{
    private readonly TraceRecorder _recorder;
    private readonly EngineProfiler _profiler;
    private readonly DeviceContext _device;
    private readonly OperatorTrace _operators;
    private readonly FlightTrack _track;
    private readonly StepClock? _clock;
    private StepTrace _step;
    private long _deviceWindow;
    private bool _isProfilerOn;

    /// <param name="ranges">NVTX ranges around modules, or null.</param>
    /// <param name="maxSteps">Steps that can be under way.</param>
    public RankTrace(EngineProfiler profiler, DeviceContext device, IModel model, ModuleRanges? ranges = null, int maxSteps = 2)
    {
        _profiler = profiler;
        _recorder = profiler.Recorder;
        _device = device;
        _recorder.HideFromStacks(typeof(RankTrace));
        device.Trace = _operators = new OperatorTrace(device, _recorder);
        Modules = new ModuleTrace(_recorder, model, _operators, ranges);
        FlightRecorder flight = profiler.Flight.Recorder;
        _track = flight.Attach();
        if (flight.IsOn) _clock = new StepClock(device, flight.AttachDeviceOf(_track), Spans.DeviceStep, maxSteps);
    }

    public EngineSpans Spans => _profiler.Spans;

    /// <summary>For the forward pass.</summary>
    public ModuleTrace Modules { get; }

    /// <summary>Begins a step; 0 when nobody keeps it.</summary>
    /// <param name="slot">Of its outcome.</param>
    public long BeginStep(in StepTrace step, int slot)
    {
        if (step.DeviceWindow != _deviceWindow || step.UsesCudaProfiler != _isProfilerOn) SwitchDevice(step.DeviceWindow, step.UsesCudaProfiler);
        _step = step;
        _operators.Stage = step.Stage;
        _operators.IsRecording = step.IsRecorded;
        _clock?.Start(slot);
        return Begin();
    }

    public long Begin() => _step.IsRecorded || _track.IsKept ? Stopwatch.GetTimestamp() : 0;

    public void End(long start, int name, long value = 0)
    {
        if (start == 0) return;
        long end = Stopwatch.GetTimestamp();
        _track.Keep(start, end, name, TraceKind.Span, TraceStage.Any, value, 0, 0, 0);
        if (_step.IsRecorded) _recorder.Write(start, end, name, TraceKind.Span, _step.Stage, 0, 0, value, 0, 0, 0);
    }

    /// <summary>All of the step's work is queued.</summary>
    public void EndStep(long start, StepPlan plan, int slot)
    {
        if (start == 0) return;
        _clock?.Stop(slot);
        long end = Stopwatch.GetTimestamp();
        _track.Keep(start, end, 0, TraceKind.Step, TraceStage.Any, plan.StepId, plan.NumRequests, plan.NumTokens, (long)EngineProfiler.ModeOf(plan));
        if (!_step.IsRecorded) return;
        if (_step.IsDetailed) WriteGroups(start, plan);
        _recorder.Write(start, end, 0, TraceKind.Step, _step.Stage, 0, 0, plan.StepId, plan.NumRequests, plan.NumTokens, (long)EngineProfiler.ModeOf(plan));
        if (_step.IsLast && (_deviceWindow != 0 || _isProfilerOn)) SwitchDevice(0, false);
    }

    /// <summary>All that the thread does from now on is recorded, in no step.</summary>
    public void BeginRecording(long deviceWindow)
    {
        if (deviceWindow != 0) SwitchDevice(deviceWindow, profiler: false);
        _step = new StepTrace(IsRecorded: true, TraceStage.Any, IsDetailed: false, deviceWindow);
        _operators.IsRecording = true;
    }

    public void EndRecording()
    {
        _operators.IsRecording = false;
        _step = default;
        if (_deviceWindow != 0) SwitchDevice(0, profiler: false);
    }

    /// <summary>A span's name, made when it is needed.</summary>
    public int Register(string name) => _recorder.Names.Register(name);

    /// <summary>The step's work is done; called by the thread that has waited for it.</summary>
    public void Completed(StepPlan plan, int slot) => _clock?.Read(slot, plan);

    public void Dispose() => _clock?.Dispose();

    /// <summary>Work of steps on either side is kept apart by waiting for the device, once at each end of a window.</summary>
    private void SwitchDevice(long window, bool profiler)
    {
        long start = _recorder.Begin();
        DeviceTrace? trace = window != _deviceWindow ? _profiler.Device : null;
        // Of a window that is over nothing is recorded any more.
        if (profiler != _isProfilerOn || window != 0 || trace?.IsUsed(_deviceWindow) == true) _device.Synchronize();
        if (trace is not null)
        {
            if (_deviceWindow != 0) trace.TurnOff(_deviceWindow);
            if (window != 0) trace.TurnOn(window);
        }
        _deviceWindow = window;
        if (profiler != _isProfilerOn)
        {
            if (profiler) _device.StartProfiler();
            else _device.StopProfiler();
            _isProfilerOn = profiler;
        }
        _recorder.End(start, Spans.SwitchDevice);
    }

    /// <summary>Sums over prompts and over decoding requests; in a mixed step a prompt of one new token counts as decoding (spec/profiling.md 6.2).</summary>
    private void WriteGroups(long start, StepPlan plan)
    {
        Span<long> sums = stackalloc long[10];
        for (int i = 0; i < plan.NumRequests; i++)
        {
            long q = plan.QueryStart[i + 1] - plan.QueryStart[i], k = plan.KvLength[i];
            bool decodes = plan.Kind == StepKind.Decode || (plan.Kind == StepKind.Mixed && q == 1);
            Span<long> group = decodes ? sums[5..] : sums[..5];
            group[0] += q;
            group[1] += k;
            group[2] += q * q;
            group[3] += q * k;
            group[4]++;
        }
        for (int g = 0; g < 2; g++)
        {
            Span<long> group = sums.Slice(5 * g, 5);
            _recorder.Write(start, (int)group[4], TraceKind.StepGroup, _step.Stage, (byte)g, 0, group[0], group[1], group[2], group[3]);
        }
    }
}
