using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Runs steps on one device. Made, used and disposed on its rank's thread. Implemented by <see cref="ModelRunner"/> and, to measure the
/// engine alone, by a scripted runner of the tests.
/// </summary>
internal interface IModelRunner : IDisposable
{
    /// <summary>Computes a step and fills the outcome. May throw: the step's requests then end with an error and serving goes on.</summary>
    void Run(StepPlan plan, StepOutcome outcome);
}
