using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public sealed class RequestRecordTests
{
    [Fact]
    public async Task A_finished_request_tells_when_it_was_queued_computed_and_sent()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
        Assert.Null(engine.FindRequest("a"));
        Generation generation = engine.Submit(ScriptedEngine.Request("a", promptLength: 20, maxNewTokens: 6) with { IsStreaming = true, Priority = 3 });
        Collected collected = await Collected.ReadAsync(generation);
        Assert.Equal(6, collected.Ids.Count);

        RequestRecord record = engine.FindRequest("a")!;
        RequestTimeline timeline = record.Timeline;
        Assert.Equal([RequestEvent.Queued, RequestEvent.Admitted, RequestEvent.Prefill, RequestEvent.FirstToken, RequestEvent.Finished],
            timeline.Entries.ToArray().Select(entry => entry.Event).Where(what => what != RequestEvent.Stalled));
        Assert.Equal((20, 6, FinishReason.Length), (timeline.PromptTokens, timeline.OutputTokens, timeline.Finish));
        Assert.Equal((3, true), (record.Priority, record.IsStreaming));
        Assert.True(record.Submitted <= timeline.Entries[0].Time && timeline.Entries[3].Time <= record.FirstSent && record.FirstSent <= record.LastSent);
        Assert.InRange(record.Chunks, 1, 6);
        Assert.Same(record, Assert.Single(engine.RecentRequests(10)));
    }

    [Fact]
    public async Task A_waiting_request_tells_what_it_waits_for()
    {
        using var gate = new SemaphoreSlim(0);
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            gate.Wait();
            outcome.Ids(plan).Fill(5);
        }, maxRunning: 1);
        Generation running = engine.Submit(ScriptedEngine.Request("a", maxNewTokens: 200));
        Generation waiting = engine.Submit(ScriptedEngine.Request("b", maxNewTokens: 1));
        gate.Release(20);
        RequestRecord record = engine.FindRequest("b")!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (record.Timeline.Waited(record.Log)[(int)WaitCause.NoRow] < 5) await Task.Delay(5, limit.Token);
        PlanDecision last = record.Log.Between(record.Submitted, long.MaxValue, 10)[^1];
        Assert.Equal((WaitCause.NoRow, 1, 0), (last.Cause, last.Waiting, last.FreeRows));
        gate.Release(1000);
        await Collected.ReadAsync(running);
        await Collected.ReadAsync(waiting);
    }

    [Fact]
    public async Task Only_the_latest_requests_are_remembered()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
        for (int i = 0; i < InferenceEngine.RememberedRequests + 10; i++)
            await using (engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 1)))
            {
            }
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (engine.Stats.NumRunning + engine.Stats.NumWaiting > 0) await Task.Delay(5, limit.Token);
        Assert.Equal(InferenceEngine.RememberedRequests, engine.RecentRequests(int.MaxValue).Count);
        Assert.Equal($"r{InferenceEngine.RememberedRequests + 9}", engine.RecentRequests(1)[0].Rid);
        await engine.DrainAsync(limit.Token);
        Assert.Null(engine.FindRequest("r3"));
        Assert.NotNull(engine.FindRequest("r11"));
    }
}
