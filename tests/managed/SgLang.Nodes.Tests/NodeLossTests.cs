using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;

namespace SgLang.Nodes.Tests;

/// <summary>Nodes that leave, go silent, fail or never come: whoever waits is told, the rest goes on.</summary>
public sealed class NodeLossTests
{
    /// <summary>Far above what it takes, far below for ever.</summary>
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);

    private static EngineOptions Options(int nodes, int pp, int dp) => TestModels.DemoOptions with { NumNodes = nodes, PpSize = pp, DpSize = dp, NumThreads = 2 };

    private static GenerationRequest Long(string rid, int? replica = null, int newTokens = 2000) => new()
    {
        Rid = rid,
        InputIds = [1, 2, 3],
        DpRank = replica,
        IsStreaming = true,
        Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = newTokens, IgnoreEos = true },
    };

    private static async Task<Generation> StartedAsync(World world, GenerationRequest request)
    {
        Generation generation = world.Engine.Submit(request);
        Assert.NotNull(await generation.ReadAsync());
        return generation;
    }

    private static async Task<FinishReason> EndAsync(Generation generation)
    {
        while (await generation.ReadAsync().AsTask().WaitAsync(s_deadline) is { } chunk)
            if (chunk.Finish is { } finish) return finish;
        throw new InvalidOperationException("no end");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_lost_replica_ends_its_requests_with_an_error_and_the_others_go_on(bool isCut)
    {
        Cable? cable = null;
        await using World world = await World.StartAsync(Options(3, 1, 3), target => cable = new Cable(target));
        using (cable)
        {
            Generation[] running = [await StartedAsync(world, Long("a", 0)), await StartedAsync(world, Long("b", 1)), await StartedAsync(world, Long("c", 2))];
            if (isCut) cable!.Cut();
            else world.StopNode(2);
            FinishReason lost = await EndAsync(running[2]);
            Assert.Equal((FinishKind.Abort, 500), (lost.Kind, lost.StatusCode));
            Assert.Contains("node 2", lost.Text);
            Assert.Equal(FinishKind.Length, (await EndAsync(running[0])).Kind);
            // New requests go where somebody lives.
            Collected[] later = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Collected.ReadAsync(world.Engine.Submit(Long($"later{i}", newTokens: 8)))));
            Assert.All(later, answer => Assert.Equal(8, answer.Ids.Count));
            Assert.True(world.Engine.IsAlive);
            Assert.Equal(FinishKind.Length, (await EndAsync(running[1])).Kind);
            // The node that was cut off ends by itself.
            Assert.Equal(isCut ? 1 : 0, await world.Workers[1].WaitAsync(s_deadline));
        }
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public async Task A_lost_stage_stops_the_engine_with_a_message(bool isCut, bool isBusy)
    {
        Cable? cable = null;
        await using World world = await World.StartAsync(Options(3, 3, 1), target => cable = new Cable(target));
        using (cable)
        {
            Generation? running = isBusy ? await StartedAsync(world, Long("a")) : null;
            if (isCut) cable!.Cut();
            else world.StopNode(2);
            if (running is not null)
            {
                FinishReason end = await EndAsync(running);
                Assert.Equal((FinishKind.Abort, 500), (end.Kind, end.StatusCode));
                Assert.Contains("node 2", end.Text);
            }
            long start = Stopwatch.GetTimestamp();
            while (world.Engine.IsAlive && Stopwatch.GetElapsedTime(start) < s_deadline) await Task.Delay(20);
            Assert.Contains("node 2", world.Engine.Fault?.Message);
            Assert.Equal(503, Assert.Throws<RequestRejectedException>(() => world.Engine.Submit(Long("late"))).StatusCode);
        }
    }

    [Fact]
    public async Task A_node_that_never_comes_ends_the_start_with_its_name()
    {
        EngineOptions options = Options(2, 1, 2) with { DistInitAddress = "127.0.0.1:0", DistTimeoutSeconds = 1 };
        await using NodeHead head = await NodeHead.StartAsync(options, NullLogger.Instance, World.Quick);
        string message = Assert.Throws<EngineStartException>(() => head.StartEngine(null, null)).Message;
        Assert.StartsWith("Node 1 of 2 has not come to 127.0.0.1:", message);
        EngineOptions alone = options with { NodeRank = 1, DistInitAddress = "127.0.0.1:1" };
        message = (await Assert.ThrowsAsync<EngineStartException>(() => new NodeWorker(alone, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None))).Message;
        Assert.StartsWith("Node 0 cannot be reached at 127.0.0.1:1 (--dist-init-addr) within 1 s", message);
    }

    [Fact]
    public async Task A_node_that_cannot_load_ends_the_start_of_all_with_its_reason()
    {
        EngineOptions options = Options(2, 1, 2) with { DistInitAddress = "127.0.0.1:0" };
        await using NodeHead head = await NodeHead.StartAsync(options, NullLogger.Instance, World.Quick);
        EngineOptions other = options with { NodeRank = 1, DistInitAddress = head.Address, MaxTotalTokens = 1 };
        Task<int> worker = new NodeWorker(other, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None);
        string message = (await Assert.ThrowsAsync<EngineStartException>(() => Task.Run(() => head.StartEngine(null, null)))).Message;
        Assert.StartsWith("node 1: --max-total-tokens 1 leaves", message);
        Assert.StartsWith("--max-total-tokens 1 leaves", (await Assert.ThrowsAsync<EngineStartException>(() => worker)).Message);
    }

    [Fact]
    public async Task A_node_with_other_options_or_a_rank_that_is_taken_is_refused()
    {
        EngineOptions options = Options(2, 1, 2) with { DistInitAddress = "127.0.0.1:0" };
        await using NodeHead head = await NodeHead.StartAsync(options, NullLogger.Instance, World.Quick);
        EngineOptions node = options with { NodeRank = 1, DistInitAddress = head.Address };
        Assert.Contains("node 1 has --page-size 32, node 0 has 16", await RefusalAsync(node with { PageSize = 32 }));
        Task<int> first = new NodeWorker(node, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None);
        await using (InferenceEngine engine = await Task.Run(() => head.StartEngine(null, null)))
            Assert.Contains("--node-rank 1 has come before", await RefusalAsync(node));
        await head.DisposeAsync();
        Assert.Equal(0, await first.WaitAsync(s_deadline));

        static async Task<string> RefusalAsync(EngineOptions options) =>
            (await Assert.ThrowsAsync<EngineStartException>(() => new NodeWorker(options, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None))).Message;
    }

    [Theory]
    [InlineData("word", null, "it has no token: set SGLANG_NODE_TOKEN to that of node 0")]
    [InlineData("word", "words", "its token is not node 0's: set SGLANG_NODE_TOKEN alike on all nodes")]
    [InlineData(null, "word", "it has a token and node 0 has none")]
    public async Task A_node_without_the_token_is_refused_and_leaves_the_place_free(string? head, string? node, string expected)
    {
        EngineOptions options = Options(2, 1, 2) with { DistInitAddress = "127.0.0.1:0", NodeToken = head };
        await using NodeHead listening = await NodeHead.StartAsync(options, NullLogger.Instance, World.Quick);
        EngineOptions stranger = options with { NodeRank = 1, DistInitAddress = listening.Address, NodeToken = node };
        Assert.Contains(expected, (await Assert.ThrowsAsync<EngineStartException>(() => new NodeWorker(stranger, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None))).Message);
        Task<int> friend = new NodeWorker(stranger with { NodeToken = head }, NullLogger.Instance, World.Quick).RunAsync(null, CancellationToken.None);
        await using (InferenceEngine engine = await Task.Run(() => listening.StartEngine(null, null)))
            Assert.Equal(4, (await Collected.ReadAsync(engine.Submit(new GenerationRequest { Rid = "r", InputIds = [1, 2, 3], Sampling = new SamplingParams { MaxNewTokens = 4, IgnoreEos = true } }))).Ids.Count);
        await listening.DisposeAsync();
        Assert.Equal(0, await friend.WaitAsync(s_deadline));
    }

    [Fact]
    public async Task Tensor_parallelism_between_nodes_is_refused_with_the_reason()
    {
        EngineOptions options = TestModels.DemoOptions with { NumNodes = 2, TpSize = 2, DistInitAddress = "127.0.0.1:0" };
        string message = (await Assert.ThrowsAsync<EngineStartException>(() => NodeHead.StartAsync(options, NullLogger.Instance))).Message;
        Assert.Contains("Tensor parallelism stays within a node", message);
    }
}
