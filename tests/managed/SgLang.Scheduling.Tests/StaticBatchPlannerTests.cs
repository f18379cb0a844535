using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public class StaticBatchPlannerTests
{
    private static Request Row(params int[] prompt) => new("r", prompt, new SamplingParams { Temperature = 0, IgnoreEos = true });

    [Fact]
    public void All_prompts_are_one_step_and_then_one_token_each()
    {
        StaticBatchPlanner planner = new(numPages: 8, pageSize: 4, maxRequests: 2);
        planner.Begin([Row(7, 8, 9, 10), Row(5)], 3);
        StepPlan plan = planner.Extend(int.MaxValue);
        Assert.Equal((StepKind.Prefill, 5, 2), (plan.Kind, plan.NumTokens, plan.NumSamples));
        Assert.Equal([7, 8, 9, 10, 5], plan.TokenSources.ToArray());
        Assert.Equal([4, 5, 6, 7, 8], plan.Slots.ToArray());
        plan = planner.Decode();
        // The sampled tokens are read from rows 0 and 1 of the device's table; the first row needs its second page only now.
        Assert.Equal([-1, -2], plan.TokenSources.ToArray());
        Assert.Equal([4, 1], plan.Positions.ToArray());
        Assert.Equal([1, 3, 2], plan.Pages.ToArray());
        Assert.Equal([5, 2], plan.KvLength.ToArray());
        Assert.Equal([5, 2], planner.Decode().Positions.ToArray());
    }

    [Fact]
    public void A_prompt_may_come_in_parts()
    {
        StaticBatchPlanner planner = new(numPages: 8, pageSize: 4, maxRequests: 2);
        planner.Begin([Row(7, 8, 9, 10, 11, 12), Row(1, 2, 3)], 1);
        Assert.Equal([7, 8, 1, 2], planner.Extend(2).TokenSources.ToArray());
        StepPlan rest = planner.Extend(int.MaxValue);
        Assert.Equal([9, 10, 11, 12, 3], rest.TokenSources.ToArray());
        Assert.Equal([2, 3, 4, 5, 2], rest.Positions.ToArray());
        Assert.Equal([6, 3], rest.KvLength.ToArray());
    }

    [Fact]
    public void Steps_have_no_more_tokens_than_allowed_and_sample_what_they_finish()
    {
        StaticBatchPlanner planner = new(numPages: 8, pageSize: 4, maxRequests: 3);
        planner.Begin([Row(7, 8, 9), Row(1, 2, 3, 4, 5), Row(6)], 1);
        List<(int[] Tokens, int[] Rows)> steps = [];
        while (!planner.IsExtended(int.MaxValue))
        {
            StepPlan plan = planner.Extend(int.MaxValue, maxTokens: 4);
            steps.Add((plan.TokenSources.ToArray(), [.. plan.SampleIndex.ToArray().Select(i => plan.Rows.ToArray()[i])]));
        }
        Assert.Equal([7, 8, 9, 1], steps[0].Tokens);
        Assert.Equal([0], steps[0].Rows);
        Assert.Equal([2, 3, 4, 5], steps[1].Tokens);
        Assert.Equal([1], steps[1].Rows);
        Assert.Equal([6], steps[2].Tokens);
        Assert.Equal([2], steps[2].Rows);
        Assert.Equal(3, steps.Count);
    }

    [Fact]
    public void A_batch_that_does_not_fit_is_refused()
    {
        StaticBatchPlanner planner = new(numPages: 4, pageSize: 4, maxRequests: 2);
        Assert.True(planner.Fits(2, 8));
        Assert.False(planner.Fits(2, 9));
        Assert.False(planner.Fits(3, 1));
        Assert.Throws<ArgumentException>(() => planner.Begin([Row(1, 2), Row(3)], 7));
    }
}
