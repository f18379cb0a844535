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
        Assert.Equal([0, 2], plan.PageStart[..2].ToArray());
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

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    public void Every_decode_step_says_what_one_made_anew_would_say(int pageSize)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        Random random = new(seed);
        const int Steps = 70;
        int[] lengths = [.. Enumerable.Range(0, 1 + random.Next(5)).Select(_ => 1 + random.Next(40))];
        StaticBatchPlanner planner = new(numPages: 1000, pageSize, maxRequests: lengths.Length);
        for (int round = 0; round < 2; round++)
        {
            planner.Begin([.. lengths.Select(length => Row(new int[length]))], Steps + 1);
            int nextPage = 1;
            List<int>[] pages = [.. lengths.Select(_ => new List<int>())];
            planner.Extend(int.MaxValue);
            GrowTo(step: 0);
            for (int step = 1; step <= Steps; step++)
            {
                GrowTo(step);
                StepPlan plan = planner.Decode();
                Assert.Equal(StepKind.Decode, plan.Kind);
                Assert.Equal(lengths.Select(length => length + step), plan.KvLength.ToArray());
                Assert.Equal(lengths.Select(length => length + step - 1), plan.Positions.ToArray());
                for (int row = 0; row < lengths.Length; row++)
                {
                    int[] own = plan.Pages[plan.PageStart[row]..plan.PageStart[row + 1]].ToArray();
                    Assert.Equal(pages[row], own[..pages[row].Count]);
                    Assert.All(own[pages[row].Count..], page => Assert.Equal(0, page));
                }
                Assert.Equal(lengths.Select((length, row) => pages[row][(length + step - 1) / pageSize] * pageSize + (length + step - 1) % pageSize), plan.Slots.ToArray());
                Assert.Equal(lengths.Select((_, row) => -(row + 1)), plan.TokenSources.ToArray());
                Assert.Equal(lengths.Select((_, row) => row), plan.SampleIndex.ToArray());
            }
            Assert.True(planner.IsExtended(int.MaxValue));

            void GrowTo(int step)
            {
                for (int row = 0; row < lengths.Length; row++)
                    while (pages[row].Count * pageSize < lengths[row] + step) pages[row].Add(nextPage++);
            }
        }
    }

    [Fact]
    public void Decode_steps_allocate_nothing()
    {
        const int Steps = 300;
        StaticBatchPlanner planner = new(numPages: 2000, pageSize: 4, maxRequests: 8);
        planner.Begin([.. Enumerable.Range(1, 8).Select(length => Row(new int[length]))], Steps + 1);
        planner.Extend(int.MaxValue);
        planner.Decode();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 1; step < Steps; step++) planner.Decode();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_step_for_which_no_pages_were_set_aside_is_refused()
    {
        StaticBatchPlanner planner = new(numPages: 8, pageSize: 4, maxRequests: 2);
        planner.Begin([Row(7, 8, 9, 10), Row(5)], 2);
        planner.Extend(int.MaxValue);
        planner.Decode();
        planner.Decode();
        Assert.Throws<InvalidOperationException>(() => planner.Decode());
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
