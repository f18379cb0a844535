using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Runs steps on one device. Made, used and disposed on its rank's thread, except for <see cref="Complete"/>. Implemented by
/// <see cref="ModelRunner"/> and, to measure the engine alone, by a scripted runner of the tests.
/// </summary>
internal interface IModelRunner : IDisposable
{
    /// <summary>
    /// Queues a step; a device that works by itself may be at it when this returns. May throw: the step's requests then end with an error
    /// and serving goes on. Steps that are launched and not completed have outcomes of different slots.
    /// </summary>
    void Launch(StepPlan plan, StepOutcome outcome);

    /// <summary>
    /// Waits for a step whose launch did not throw, in the order of launches, and fills its outcome. Called by the thread that wants the
    /// result, while the rank's thread may be launching the next step. May throw likewise.
    /// </summary>
    void Complete(StepPlan plan, StepOutcome outcome);
}
