using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// One rank as the engine sees it, or those of a replica on another node. Steps run in the order launched; at most so many are under
/// way as the engine has room for (<see cref="Core.EngineOptions.MaxStepsInFlight"/>).
/// </summary>
internal interface IRankChannel : IDisposable
{
    void Launch(StepPlan plan, StepOutcome outcome);

    /// <summary>Why no step can succeed any more; null while one can.</summary>
    FatalDeviceException? Lost => null;

    /// <summary>Waits for the oldest launched step. Its error, if any, is in the outcome.</summary>
    void Wait();

    /// <summary>Asks the rank to end; <see cref="IDisposable.Dispose"/> waits for it. Ranks that meet at the end are all asked first.</summary>
    void Stop();
}
