namespace SgLang.Scheduling;

/// <summary>
/// Lets a waiting request take the place of running ones whose priority is worse by more than a threshold: worst priority first, newest
/// first. Those go back to waiting with what they have generated.
/// </summary>
internal sealed class PriorityPreemption(SchedulerState state)
{
    private readonly Comparer<Request> _firstToGo = Comparer<Request>.Create((a, b) =>
        state.Waiting.Urgency(a).CompareTo(state.Waiting.Urgency(b)) is var order and not 0 ? -order
        : a.AdmittedAt != b.AdmittedAt ? b.AdmittedAt.CompareTo(a.AdmittedAt) : b.Sequence.CompareTo(a.Sequence));

    private Request[] _victims = [];

    /// <summary>Whether trying is worth while: the request to admit next could take another's place.</summary>
    public bool IsPossible()
    {
        if (!state.Options.CanPreempt || state.Waiting.Preferred is not { } candidate) return false;
        for (Request? running = state.Running.First; running is not null; running = running.Next)
            if (MayReplace(candidate, running)) return true;
        return false;
    }

    /// <summary>Frees a row for the candidate.</summary>
    public bool TryFreeRow(Request candidate, ref AdmissionBudget budget)
    {
        int available = Collect(candidate);
        Preempt(available, Math.Min(available, 1), ref budget);
        return available > 0;
    }

    /// <summary>Regains at least so many tokens of memory for the candidate, or nothing at all.</summary>
    public bool TryRegain(Request candidate, long tokens, ref AdmissionBudget budget)
    {
        int available = Collect(candidate), count = 0;
        for (; count < available && tokens > 0; count++) tokens -= Gain(_victims[count]);
        bool isEnough = count > 0 && tokens <= 0;
        Preempt(available, isEnough ? count : 0, ref budget);
        return isEnough;
    }

    private void Preempt(int available, int count, ref AdmissionBudget budget)
    {
        foreach (Request victim in _victims.AsSpan(0, count))
        {
            budget.Release(Reserve(victim));
            state.Retract(victim, RequestEvent.Preempted);
        }
        Array.Clear(_victims, 0, available);
    }

    private bool MayReplace(Request candidate, Request running) =>
        state.Waiting.Urgency(running) - state.Waiting.Urgency(candidate) > state.Options.PriorityPreemptionThreshold;

    /// <summary>Those that may go, in the order in which they would.</summary>
    private int Collect(Request candidate)
    {
        if (!state.Options.CanPreempt) return 0;
        if (_victims.Length == 0) _victims = new Request[state.Options.MaxRunningRequests];
        int count = 0;
        for (Request? running = state.Running.First; running is not null; running = running.Next)
            if (MayReplace(candidate, running)) _victims[count++] = running;
        Array.Sort(_victims, 0, count, _firstToGo);
        return count;
    }

    /// <summary>At least what the budget gains: pages that nobody else holds, and the output that is no longer expected.</summary>
    private long Gain(Request victim)
    {
        long pages = victim.Pages.Count - victim.SharedPages;
        for (RadixNode node = victim.Node; node.Parent is not null && node.LockCount == 1; node = node.Parent) pages += node.PageCount;
        return pages * state.Cache.PageSize + (long)Math.Floor(Reserve(victim));
    }

    private double Reserve(Request victim) => state.Options.ClipNewTokens(victim.MaxNewTokens - victim.PlannedOutput) * state.Ratio.Value;
}
