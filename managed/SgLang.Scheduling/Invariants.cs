namespace SgLang.Scheduling;

/// <summary>What must hold between any two calls of a <see cref="Scheduler"/>.</summary>
public static class Invariants
{
    /// <summary>All violations; empty when the scheduler is sound. Walks everything, so call it when idle or in tests.</summary>
    public static List<string> Check(Scheduler scheduler) => throw new NotImplementedException();
}
