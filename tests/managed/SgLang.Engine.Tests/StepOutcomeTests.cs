using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public class StepOutcomeTests
{
    [Fact]
    public void An_outcome_used_again_has_no_scores_of_the_step_before()
    {
        StaticBatchPlanner planner = new(numPages: 8, pageSize: 4, maxRequests: 3);
        planner.Begin([.. Enumerable.Range(0, 3).Select(_ => new Request("r", [5], new SamplingParams()))], 2);
        StepPlan plan = planner.Extend(int.MaxValue);
        StepOutcome outcome = new(3);
        TokenLogprob[] scores = [new TokenLogprob(-0.5f, 7)];
        for (int round = 0; round < 2; round++)
        {
            outcome.Clear();
            Assert.Equal([null, null, null], outcome.Top(plan).ToArray());
            Assert.Equal([null, null, null], outcome.Chosen(plan).ToArray());
            if (round == 0) outcome.SetTop(1, scores);
            else outcome.SetChosen(2, scores);
        }
        Assert.Equal([null, null, scores], outcome.Chosen(plan).ToArray());
        outcome.Clear();
        Assert.Equal([null, null, null], outcome.Chosen(plan).ToArray());
    }
}
