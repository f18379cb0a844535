using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class PlanLogTests
{
    [Fact]
    public void It_says_which_request_lacked_how_much_memory_and_for_how_many_steps()
    {
        var harness = new Harness(Harness.Options(10_000));
        harness.Add("a", Harness.Prompt(4000), maxNew: 4000);
        Request late = harness.Add("b", Harness.Prompt(1000, 50_000), maxNew: 1000);
        Request behind = harness.Add("c", [1], maxNew: 1);
        for (int i = 0; i < 11; i++) harness.Step();

        PlanDecision decision = Assert.Single(harness.Scheduler.Log.Between(0, long.MaxValue, 100));
        Assert.Equal(WaitCause.NoMemory, decision.Cause);
        Assert.Equal("b", decision.Head);
        Assert.Equal((1, 11, 11), (decision.FirstStep, decision.LastStep, decision.Count));
        Assert.Equal((2001, 1999), (decision.NeededTokens, decision.RemainingTotal));
        Assert.Equal((1, 2), (decision.Admitted, decision.Waiting));
        Assert.Equal(11, late.Timeline!.Waited(harness.Scheduler.Log)[(int)WaitCause.NoMemory]);
        Assert.Equal(11, behind.Timeline!.Waited(harness.Scheduler.Log)[(int)WaitCause.NoMemory]);
    }

    [Fact]
    public void Rows_and_the_step_s_tokens_are_told_apart()
    {
        var harness = new Harness(Harness.Options(10_000, maxRunning: 2) with { ChunkedPrefillSize = 10 });
        harness.Add("long", Harness.Prompt(25), maxNew: 5);
        harness.Add("short", [1, 2, 3], maxNew: 5);
        Request third = harness.Add("third", [4], maxNew: 1);
        Assert.Equal(WaitCause.StepTokens, Step());
        Assert.Equal(WaitCause.ChunkedPrompt, Step());
        Assert.Equal(WaitCause.NoRow, Step());
        Assert.Equal(WaitCause.NoRow, Step());
        harness.Drain();
        WaitCounts waited = third.Timeline!.Waited(harness.Scheduler.Log);
        Assert.Equal((1, 1), (waited[(int)WaitCause.StepTokens], waited[(int)WaitCause.ChunkedPrompt]));

        WaitCause Step()
        {
            harness.Step();
            return harness.Scheduler.Log.Between(0, long.MaxValue, 100)[^1].Cause;
        }
    }

    [Fact]
    public void Only_the_latest_decisions_are_kept_and_all_are_counted()
    {
        var log = new PlanLog();
        for (int i = 1; i <= 5000; i++) log.Add(new PlanDecision { Cause = (WaitCause)(i % 2), FirstStep = i, FirstTime = i });
        List<PlanDecision> kept = log.Between(0, long.MaxValue, 10_000);
        Assert.Equal(1024, kept.Count);
        Assert.Equal(5000, kept[^1].FirstStep);
        Assert.Equal((2500, 2500), (log.Counts[0], log.Counts[1]));
        Assert.Equal([4001, 4002, 4003], log.Between(4001, 4003, 100).Select(decision => decision.FirstStep));
    }

    /// <summary>A reader sees whole decisions only, however often they are overwritten.</summary>
    [Fact]
    public async Task A_reader_beside_the_writer_sees_no_half_decision()
    {
        var log = new PlanLog();
        using var stop = new CancellationTokenSource();
        Task writer = Task.Run(() =>
        {
            for (long i = 1; !stop.IsCancellationRequested; i++)
                log.Add(new PlanDecision { Cause = (WaitCause)(i % 2), FirstStep = i, FirstTime = i, NeededTokens = i, RemainingTotal = -i, Waiting = (int)(i % 1000) });
        });
        long seen = 0;
        while (seen < 20_000)
            foreach (PlanDecision decision in log.Between(0, long.MaxValue, 64))
            {
                seen++;
                Assert.Equal((decision.FirstStep, -decision.FirstStep, (int)(decision.FirstStep % 1000)), (decision.NeededTokens, decision.RemainingTotal, decision.Waiting));
            }
        await stop.CancelAsync();
        await writer;
    }
}
