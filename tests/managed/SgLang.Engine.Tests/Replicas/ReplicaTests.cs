using SgLang.Core;

namespace SgLang.Engine.Tests.Replicas;

/// <summary>Several replicas behind one engine.</summary>
public sealed class ReplicaTests
{
    private static readonly EngineOptions s_two = TestModels.DemoOptions with { DpSize = 2, NumThreads = 2 };

    private static GenerationRequest Request(string rid, int seed, int maxNewTokens = 4, int? dpRank = null) => new()
    {
        Rid = rid,
        InputIds = [.. Enumerable.Range(0, 64).Select(i => (i * 31 + seed * 997) % 4000)],
        Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = maxNewTokens, IgnoreEos = true },
        DpRank = dpRank,
    };

    private static long[] Requests(InferenceEngine engine) => [.. engine.ReplicaStats.Select(stats => stats.NumRequests)];

    [Fact]
    public async Task Round_robin_spreads_requests_evenly()
    {
        await using InferenceEngine engine = InferenceEngine.Start(s_two with { LoadBalanceMethod = LoadBalanceMethod.RoundRobin });
        for (int i = 0; i < 6; i++) await Collected.ReadAsync(engine.Submit(Request($"r{i}", i)));
        Assert.Equal([3, 3], Requests(engine));
        Assert.Equal(6, engine.Stats.NumRequests);
    }

    [Fact]
    public async Task A_prompt_goes_where_its_prefix_is_cached()
    {
        await using InferenceEngine engine = InferenceEngine.Start(s_two);
        await Collected.ReadAsync(engine.Submit(Request("a", 1, dpRank: 1)));
        await Collected.ReadAsync(engine.Submit(Request("b", 2, dpRank: 0)));
        for (int i = 0; i < 4; i++)
        {
            Generation again = engine.Submit(Request($"again-{i}", 1));
            await Collected.ReadAsync(again);
            Assert.Equal(48, again.CachedTokens);
        }
        Assert.Equal([1, 5], Requests(engine));
    }

    [Fact]
    public async Task A_wanted_replica_is_taken_and_an_unknown_one_refused()
    {
        await using InferenceEngine engine = InferenceEngine.Start(s_two);
        for (int i = 0; i < 3; i++) await Collected.ReadAsync(engine.Submit(Request($"r{i}", i, dpRank: 1)));
        Assert.Equal([0, 3], Requests(engine));
        RequestRejectedException error = Assert.Throws<RequestRejectedException>(() => engine.Submit(Request("bad", 0, dpRank: 2)));
        Assert.Equal((400, "routed_dp_rank must be in [0, 1], got 2."), (error.StatusCode, error.Message));
    }

    [Fact]
    public async Task Aborts_and_flushes_reach_every_replica()
    {
        await using InferenceEngine engine = InferenceEngine.Start(s_two);
        Generation[] generations = [.. Enumerable.Range(0, 4).Select(i => engine.Submit(Request($"batch-{i}", i, maxNewTokens: 1500, dpRank: i % 2)))];
        engine.Abort("batch-");
        foreach (Collected result in await Task.WhenAll(generations.Select(Collected.ReadAsync))) Assert.Equal(FinishKind.Abort, result.Finish.Kind);
        await Collected.ReadAsync(engine.Submit(Request("cached", 1, dpRank: 1)));
        Assert.True(await engine.FlushCacheAsync(TimeSpan.FromSeconds(30)));
        Generation again = engine.Submit(Request("again", 1, dpRank: 1));
        await Collected.ReadAsync(again);
        Assert.Equal(0, again.CachedTokens);
    }

    [Fact]
    public async Task An_engine_lives_while_one_of_its_replicas_does()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(
            [(_, _) => throw new FatalDeviceException("lost", new InvalidOperationException()), (plan, outcome) => outcome.Ids(plan).Fill(7)],
            new EngineOptions { ModelPath = "scripted", LoadBalanceMethod = LoadBalanceMethod.RoundRobin });
        Collected failed = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a") with { DpRank = 0 }));
        Assert.Equal(FinishKind.Abort, failed.Finish.Kind);
        // The loop ends after its last request has been told.
        for (int i = 0; i < 4; i++)
        {
            Collected result = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"b{i}") with { DpRank = 1 }));
            Assert.Equal(16, result.Ids.Count);
        }
        Assert.True(engine.IsAlive);
    }
}
