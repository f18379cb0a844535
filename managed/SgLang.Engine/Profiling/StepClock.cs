using SgLang.Profiling;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Times steps on the device by events in its stream, for the flight recorder. Events are recorded on the rank's thread; they are read, and the
/// track is written, by whoever has waited for the step.
/// </summary>
internal sealed class StepClock : IDisposable
{
    private readonly DeviceEvent[] _starts, _ends;
    private readonly FlightTrack _track;
    private readonly int _name;
    private long _lastEnd;

    /// <param name="numSlots">Steps that can be under way at once.</param>
    public StepClock(DeviceContext device, FlightTrack track, int name, int numSlots)
    {
        _track = track;
        _name = name;
        _starts = new DeviceEvent[numSlots];
        _ends = new DeviceEvent[numSlots];
        for (int i = 0; i < numSlots; i++)
        {
            _starts[i] = new DeviceEvent(device);
            _ends[i] = new DeviceEvent(device);
        }
    }

    public void Start(int slot) => _starts[slot].Record();

    public void Stop(int slot) => _ends[slot].Record();

    /// <summary>The step's work is done, as its result has told.</summary>
    public void Read(int slot, StepPlan plan)
    {
        // The result's event stands before this one in the stream.
        _ends[slot].Synchronize();
        long now = System.Diagnostics.Stopwatch.GetTimestamp();
        double microseconds = _ends[slot].MicrosecondsSince(_starts[slot]);
        // Spans of a track must not overlap in part: the host may have seen the end of the step before late.
        long start = Math.Max(_lastEnd, now - (long)(microseconds * 1e-6 * System.Diagnostics.Stopwatch.Frequency));
        _lastEnd = now;
        _track.Keep(start, now, _name, TraceKind.Span, TraceStage.Any, plan.StepId, (long)(microseconds * 1000), plan.NumRequests, plan.NumTokens);
    }

    public void Dispose()
    {
        foreach (DeviceEvent one in _starts) one.Dispose();
        foreach (DeviceEvent one in _ends) one.Dispose();
    }
}
