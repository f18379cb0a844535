using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>A rank's runner whose steps are timed by the device's own clock: events in its stream around what a step queues.</summary>
internal sealed class TimedRunner : IModelRunner
{
    private readonly DeviceEvent[] _starts, _stops;

    /// <summary>On the rank's thread. Takes over the runner.</summary>
    /// <param name="maxSteps">Steps that can be under way.</param>
    public TimedRunner(ModelRunner runner, int maxSteps)
    {
        Runner = runner;
        (_starts, _stops) = (new DeviceEvent[maxSteps], new DeviceEvent[maxSteps]);
        for (int slot = 0; slot < maxSteps; slot++)
        {
            _starts[slot] = new DeviceEvent(runner.Device);
            _stops[slot] = new DeviceEvent(runner.Device);
        }
    }

    public ModelRunner Runner { get; }

    /// <summary>Of the step completed last in an outcome's slot.</summary>
    public double Seconds(int slot) => _stops[slot].MicrosecondsSince(_starts[slot]) / 1e6;

    public void Launch(StepPlan plan, StepOutcome outcome)
    {
        _starts[outcome.Slot].Record();
        Runner.Launch(plan, outcome);
        _stops[outcome.Slot].Record();
    }

    public void Complete(StepPlan plan, StepOutcome outcome)
    {
        Runner.Complete(plan, outcome);
        _stops[outcome.Slot].Synchronize();
    }

    public void Dispose()
    {
        foreach (DeviceEvent start in _starts) start.Dispose();
        foreach (DeviceEvent stop in _stops) stop.Dispose();
        Runner.Dispose();
    }
}
