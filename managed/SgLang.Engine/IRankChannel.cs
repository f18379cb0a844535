using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// One rank as the engine sees it: a thread here, and later a process or another node. Steps run in the order launched; at most two are
/// under way.
/// </summary>
internal interface IRankChannel : IDisposable
{
    void Launch(StepPlan plan, StepOutcome outcome);

    /// <summary>Waits for the oldest launched step. Its error, if any, is in the outcome.</summary>
    void Wait();

    /// <summary>Asks the rank to end; <see cref="IDisposable.Dispose"/> waits for it. Ranks that meet at the end are all asked first.</summary>
    void Stop();
}
