using SgLang.Interop;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>A rank without a thread of its own: its steps run where they are launched, on the thread that loaded it and disposes it.</summary>
internal sealed class CallerRank(IModelRunner runner) : IRankChannel
{
    private readonly Queue<(StepPlan Plan, StepOutcome Outcome)> _underWay = [];

    public void Launch(StepPlan plan, StepOutcome outcome)
    {
        _underWay.Enqueue((plan, outcome));
        outcome.Clear();
        try
        {
            runner.Launch(plan, outcome);
        }
        catch (Exception error)
        {
            outcome.Error = FatalDeviceException.Of(error);
        }
    }

    public void Wait()
    {
        (StepPlan plan, StepOutcome outcome) = _underWay.Dequeue();
        if (outcome.Error is not null) return;
        try
        {
            runner.Complete(plan, outcome);
        }
        catch (Exception error)
        {
            outcome.Error = FatalDeviceException.Of(error);
        }
    }

    public void Stop()
    {
    }

    public void Dispose()
    {
        try
        {
            runner.Dispose();
        }
        catch (SglException error) when (error.Status == SglStatus.CudaFatal)
        {
            // Whoever waited has been told that the device is lost; what was on it went with it.
        }
    }
}
