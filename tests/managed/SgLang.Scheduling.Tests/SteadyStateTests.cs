namespace SgLang.Scheduling.Tests;

public sealed class SteadyStateTests
{
    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 16)]
    [InlineData(true, 16)]
    public void A_steady_decode_step_allocates_nothing(bool overlap, int pageSize)
    {
        var scheduler = new Scheduler(Harness.Options(65_536 / pageSize, pageSize, maxRunning: 64));
        for (int i = 0; i < 64 + 500; i++)
            Assert.True(scheduler.TryEnqueue(Harness.Make($"r{i}", Harness.Prompt(50, 100 * i), maxNew: 700), out _));
        int[] ids = [.. Enumerable.Repeat(5, 64)];
        StepPlan? inFlight = null;
        for (int i = 0; i < 20; i++) Step();

        int steps = 0;
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++, steps++) Step();
        }));
        Assert.Equal(64, scheduler.Stats.NumRunning);
        Assert.True(scheduler.Stats.GeneratedTokens >= 64 * steps, scheduler.Stats.ToString());

        void Step()
        {
            StepPlan? plan = scheduler.Plan();
            if (overlap)
            {
                if (inFlight is not null) scheduler.Commit(inFlight, ids.AsSpan(0, inFlight.NumSamples));
                inFlight = plan;
            }
            else
            {
                scheduler.Commit(plan!, ids.AsSpan(0, plan!.NumSamples));
            }
            foreach (SchedulerEvent item in scheduler.Events)
                if (item.TokenId != 5) throw new InvalidOperationException("an event without its token");
            scheduler.ClearEvents();
        }
    }
}
