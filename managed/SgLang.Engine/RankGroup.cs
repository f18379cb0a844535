using SgLang.Interop;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>All ranks of one replica, or those of a node: each gets the same immutable plan; the outcome of one of them, which all share, counts.</summary>
/// <param name="groups">Where the ranks meet; null for ranks that never do.</param>
/// <param name="reporter">The channel whose outcome counts.</param>
/// <param name="recovers">Whether a failed step is followed by a reset of the groups; false where node 0 says when.</param>
/// <param name="maxSteps">Steps that can be under way.</param>
/// <param name="rounds">Where replicas share ranks: when each steps; then this is <paramref name="replica"/> of them.</param>
internal sealed class RankGroup(IRankChannel[] ranks, int maxSamples, ReplicaGroups? groups = null, int reporter = 0, bool recovers = true, int maxSteps = 2,
    StepRounds? rounds = null, int replica = 0) : IDisposable
{
    private readonly StepOutcome[][] _outcomes = [.. Enumerable.Range(0, maxSteps).Select(slot => Outcomes(ranks.Length, maxSamples, slot))];
    private int _launched;
    private int _waited;

    /// <summary>Steps not waited for yet that have finished on every rank.</summary>
    private int _finishedAhead;

    /// <summary>Why no step can succeed any more; null while one can.</summary>
    public FatalDeviceException? Lost
    {
        get
        {
            foreach (IRankChannel rank in ranks)
                if (rank.Lost is { } reason) return reason;
            return null;
        }
    }

    public void Launch(StepPlan plan, StepTrace trace = default)
    {
        StepOutcome[] outcomes = _outcomes[_launched++ % maxSteps];
        for (int rank = 0; rank < ranks.Length; rank++)
        {
            outcomes[rank].Trace = trace;
            ranks[rank].Launch(plan, outcomes[rank]);
        }
        rounds?.Launched(replica, plan);
    }

    /// <summary>Waits for the oldest launched step on every rank. An error of any rank is the step's error.</summary>
    public StepOutcome Wait()
    {
        StepOutcome[] outcomes = _outcomes[_waited++ % maxSteps];
        if (_finishedAhead > 0) _finishedAhead--;
        else WaitForAll();
        StepOutcome outcome = outcomes[reporter];
        outcome.Error = CauseOf(outcomes);
        if (outcome.Error is not null && groups is not null && recovers) Recover(outcome);
        return outcome;
    }

    public void Dispose()
    {
        foreach (IRankChannel rank in ranks) rank.Stop();
        foreach (IRankChannel rank in ranks) rank.Dispose();
        groups?.Dispose();
    }

    private void WaitForAll()
    {
        foreach (IRankChannel rank in ranks) rank.Wait();
    }

    /// <summary>
    /// A rank that failed has aborted the group, so that nobody waits for it; a step launched meanwhile fails too. When all have ended, the
    /// ranks can meet again.
    /// </summary>
    private void Recover(StepOutcome outcome)
    {
        for (; _finishedAhead < _launched - _waited; _finishedAhead++) WaitForAll();
        try
        {
            if (rounds is not null) rounds.Recover(replica);
            else groups!.Reset();
        }
        catch (SglException error)
        {
            outcome.Error = new FatalDeviceException($"{outcome.Error!.Message}; {error.Message}", outcome.Error);
        }
    }

    /// <summary>A lost device before all, and the others' complaint that a rank gave up last.</summary>
    private static Exception? CauseOf(StepOutcome[] outcomes)
    {
        Exception? cause = null;
        foreach (StepOutcome outcome in outcomes)
        {
            if (outcome.Error is FatalDeviceException) return outcome.Error;
            if (cause is null or SglException { Status: SglStatus.Comm }) cause = outcome.Error ?? cause;
        }
        return cause;
    }

    private static StepOutcome[] Outcomes(int numRanks, int maxSamples, int slot)
    {
        StepOutcome[] outcomes = new StepOutcome[numRanks];
        for (int rank = 0; rank < numRanks; rank++) outcomes[rank] = new StepOutcome(maxSamples, slot);
        return outcomes;
    }
}
