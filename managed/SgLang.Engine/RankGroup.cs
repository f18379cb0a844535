using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>All ranks of one replica: each gets the same immutable plan; the first one's outcome counts.</summary>
internal sealed class RankGroup(IRankChannel[] ranks, int maxSamples) : IDisposable
{
    // One outcome per step that can be under way.
    private readonly StepOutcome[][] _outcomes = [Outcomes(ranks.Length, maxSamples), Outcomes(ranks.Length, maxSamples)];
    private int _launched;
    private int _waited;

    public void Launch(StepPlan plan, StepTrace trace = default)
    {
        StepOutcome[] outcomes = _outcomes[_launched++ & 1];
        for (int rank = 0; rank < ranks.Length; rank++)
        {
            outcomes[rank].Trace = trace;
            ranks[rank].Launch(plan, outcomes[rank]);
        }
    }

    /// <summary>Waits for the oldest launched step on every rank. An error of any rank is the step's error.</summary>
    public StepOutcome Wait()
    {
        StepOutcome[] outcomes = _outcomes[_waited++ & 1];
        foreach (IRankChannel rank in ranks) rank.Wait();
        foreach (StepOutcome outcome in outcomes) outcomes[0].Error ??= outcome.Error;
        return outcomes[0];
    }

    public void Dispose()
    {
        foreach (IRankChannel rank in ranks) rank.Dispose();
    }

    private static StepOutcome[] Outcomes(int numRanks, int maxSamples)
    {
        StepOutcome[] outcomes = new StepOutcome[numRanks];
        for (int rank = 0; rank < numRanks; rank++) outcomes[rank] = new StepOutcome(maxSamples);
        return outcomes;
    }
}
