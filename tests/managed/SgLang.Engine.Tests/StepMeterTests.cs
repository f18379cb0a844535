using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

/// <summary>What the engine tells of its forward passes, read from its snapshot.</summary>
public sealed class StepMeterTests
{
    [Fact]
    public async Task Passes_and_their_time_are_counted_by_kind()
    {
        long prefills = 0, decodes = 0;
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.Kind == StepKind.Decode) Interlocked.Increment(ref decodes);
            else Interlocked.Increment(ref prefills);
            Thread.Sleep(1);
            outcome.Ids(plan).Fill(5);
        });
        await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a", promptLength: 900, maxNewTokens: 9)));
        await Eventually.Is(() => engine.Stats.Steps.PrefillPasses + engine.Stats.Steps.EagerDecodePasses == Interlocked.Read(ref prefills) + Interlocked.Read(ref decodes));
        StepMeter steps = engine.Stats.Steps;
        Assert.Equal((Interlocked.Read(ref prefills), Interlocked.Read(ref decodes), 0), (steps.PrefillPasses, steps.EagerDecodePasses, steps.GraphDecodePasses));
        Assert.Equal(1, steps.PrefillPasses);
        // How long each lasts is the loop's view of it, which a busy machine moves from one pass to the next.
        Assert.True(steps.PrefillSeconds > 0 && steps.DecodeSeconds > 0, $"{steps.PrefillSeconds} s, {steps.DecodeSeconds} s");
        Assert.Equal(0, steps.MixedSeconds);
        Assert.False(steps.IsGraph);
    }

    [Fact]
    public async Task A_running_decode_shows_its_lengths_and_how_busy_the_device_is()
    {
        using ManualResetEventSlim go = new();
        using ManualResetEventSlim reached = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            outcome.Ids(plan).Fill(5);
            if (plan.StepId != 30) return;
            reached.Set();
            go.Wait();
        }, new EngineOptions { ModelPath = "scripted", PageSize = 16, DecodeLogInterval = 10 });
        Task<Collected> running = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a", promptLength: 100, maxNewTokens: 200)));
        reached.Wait();
        StepMeter steps = engine.Stats.Steps;
        Assert.InRange(steps.DecodeTokens, 100, 131);
        Assert.InRange(steps.Occupancy, double.Epsilon, 100.0001);
        go.Set();
        await running;
        await Eventually.Is(() => engine.Stats.Steps is { DecodeTokens: 0, Occupancy: 0 });
    }
}
