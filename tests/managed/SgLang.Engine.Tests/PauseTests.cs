using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public sealed class PauseTests
{
    private static void Run(StepPlan plan, StepOutcome outcome)
    {
        Thread.Sleep(1);
        for (int i = 0; i < plan.NumSamples; i++) outcome.Ids(plan)[i] = plan.KvLength[plan.SampleIndex[i]] % ScriptedEngine.VocabularySize;
    }

    private static IEnumerable<int> Expected(int prompt, int count) => Enumerable.Range(prompt, count).Select(kvLength => kvLength % ScriptedEngine.VocabularySize);

    [Theory]
    [InlineData(PauseMode.InPlace)]
    [InlineData(PauseMode.Retract)]
    public async Task What_ran_and_what_came_meanwhile_is_whole_after_a_pause(PauseMode mode)
    {
        await using InferenceEngine engine = ScriptedEngine.Start([Run, Run], new EngineOptions { ModelPath = "scripted", PageSize = 16, DpSize = 2 });
        Generation[] running = [.. Enumerable.Range(0, 6).Select(i => engine.Submit(ScriptedEngine.Request($"r{i}", 8, 200) with { IsStreaming = true }))];
        Task<Collected>[] reading = [.. running.Select(Collected.ReadAsync)];
        await Eventually.Is(() => engine.Stats.NumRunning == 6);
        await engine.PauseAsync(mode);

        EngineStats paused = engine.Stats;
        Assert.True(paused.IsPaused);
        Assert.Equal(mode == PauseMode.InPlace ? (6, 0) : (0, 6), (paused.NumRunning, paused.NumWaiting));
        Task<Collected> late = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("late")));
        await Eventually.Is(() => engine.Stats.NumWaiting == paused.NumWaiting + 1);
        Assert.Equal(paused.NumSteps, engine.Stats.NumSteps);
        Assert.DoesNotContain(reading, read => read.IsCompleted);

        engine.Resume();
        foreach (Task<Collected> read in reading) Assert.Equal(Expected(8, 200), (await read).Ids);
        Assert.Equal(Expected(8, 16), (await late).Ids);
        Assert.False(engine.Stats.IsPaused);
        Assert.True(await engine.FlushCacheAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, engine.Stats.UsedTokens);
    }

    [Fact]
    public async Task Pausing_by_abort_ends_what_there_is_and_later_requests_wait()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(Run, maxRunning: 2);
        Task<Collected>[] reading = [.. Enumerable.Range(0, 5).Select(i => Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"r{i}", 8, 2000))))];
        await Eventually.Is(() => engine.Stats.NumRunning == 2);
        await engine.PauseAsync(PauseMode.Abort);
        foreach (Task<Collected> read in reading) Assert.Equal(FinishKind.Abort, (await read).Finish.Kind);
        Assert.Equal((0, 0, 0), (engine.Stats.NumRunning, engine.Stats.NumWaiting, engine.Stats.UsedTokens));

        Task<Collected> late = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("late")));
        await Eventually.Is(() => engine.Stats.NumWaiting == 1);
        engine.Resume();
        Assert.Equal(Expected(8, 16), (await late).Ids);
    }

    [Fact]
    public async Task A_drain_ends_the_pause_and_refuses_another()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(Run);
        await engine.PauseAsync(PauseMode.InPlace);
        Task<Collected> waiting = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a")));
        await engine.DrainAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(Expected(8, 16), (await waiting).Ids);
        Assert.Equal(503, (await Assert.ThrowsAsync<RequestRejectedException>(() => engine.PauseAsync(PauseMode.InPlace))).StatusCode);
    }

    [Fact]
    public async Task A_long_pause_is_no_stall()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(Run, new EngineOptions { ModelPath = "scripted", PageSize = 16, WatchdogTimeoutSeconds = 0.3 });
        Task<Collected> reading = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a", 8, 300)));
        await Eventually.Is(() => engine.Stats.NumRunning == 1);
        await engine.PauseAsync(PauseMode.InPlace);
        await Task.Delay(1000);
        Assert.True(engine.IsAlive);
        engine.Resume();
        Assert.Equal(Expected(8, 300), (await reading).Ids);
    }

    [Fact]
    public async Task An_engine_that_has_stopped_cannot_be_paused()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((_, _) => throw new FatalDeviceException("the device is gone", new InvalidOperationException()));
        await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a")));
        await Eventually.Is(() => !engine.IsAlive);
        RequestRejectedException refused = await Assert.ThrowsAsync<RequestRejectedException>(() => engine.PauseAsync(PauseMode.Abort));
        Assert.Equal((503, true), (refused.StatusCode, refused.Message.Contains("the device is gone")));
    }
}
