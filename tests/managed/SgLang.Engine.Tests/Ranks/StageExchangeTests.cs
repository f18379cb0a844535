using SgLang.Core;
using SgLang.Interop;
using SgLang.Runtime;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Tensors between stages that are on several nodes: order, failures, and what a reset leaves behind.</summary>
public sealed class StageExchangeTests : IDisposable
{
    private readonly DeviceContext _device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);

    /// <summary>Two nodes with two stages each; what one sends to the other is kept until it is delivered by hand.</summary>
    private sealed class Nodes(int rank) : INodes
    {
        public List<StageMessage> Sent { get; } = [];
        public NodeLayout Layout => new(2, 1, 4, 1);
        public int Rank => rank;

        public void Send(in StageMessage message) => Sent.Add(message);

        public void Abort(int replica, string reason) => throw new NotSupportedException();

        public void Attach(int replica, ReplicaGroups groups) => throw new NotSupportedException();

        public MemoryPlan Agree(MemoryPlan own) => throw new NotSupportedException();

        public IRankChannel ChannelTo(int node, int replica, int maxSamples) => throw new NotSupportedException();

        public void Reset(int replica) => throw new NotSupportedException();

        public void WaitUntilLoaded() => throw new NotSupportedException();
    }

    private readonly Nodes _first = new(0), _second = new(1);

    public void Dispose() => _device.Dispose();

    private StageExchange Exchange(Nodes nodes, double seconds = 60) => new(0, nodes.Rank, nodes, TimeSpan.FromSeconds(seconds));

    private IPeerLink Link(StageExchange exchange, int stage) => exchange.Connect(RankPlace.All(1, 4)[stage], _device);

    private void Send(IPeerLink link, int to, params int[] values)
    {
        using PinnedBuffer buffer = new(_device, values.Length * sizeof(int));
        values.CopyTo(buffer.AsSpan<int>());
        link.Send(buffer.AsTensor(DType.I32, values.Length), to);
    }

    private int[] Receive(IPeerLink link, int from, int count)
    {
        using PinnedBuffer buffer = new(_device, count * sizeof(int));
        link.Receive(buffer.AsTensor(DType.I32, count), from);
        return buffer.AsSpan<int>().ToArray();
    }

    [Fact]
    public void Tensors_arrive_in_order_within_the_node_and_across()
    {
        StageExchange here = Exchange(_first), there = Exchange(_second);
        using IPeerLink zero = Link(here, 0), one = Link(here, 1), two = Link(there, 2);
        Send(zero, 1, 1, 2, 3);
        Send(zero, 1, 4);
        Assert.Equal([1, 2, 3], Receive(one, 0, 3));
        Assert.Equal([4], Receive(one, 0, 1));
        Assert.Empty(_first.Sent);
        Send(one, 2, 5, 6);
        Send(one, 2, 7);
        foreach (StageMessage message in _first.Sent) there.Deliver(message);
        Assert.Equal([5, 6], Receive(two, 1, 2));
        Assert.Equal([7], Receive(two, 1, 1));
    }

    [Fact]
    public async Task An_abort_frees_who_waits_and_a_reset_drops_what_was_sent_before()
    {
        StageExchange here = Exchange(_first), there = Exchange(_second);
        using IPeerLink one = Link(here, 1), two = Link(there, 2);
        Task<SglException> waiting = Task.Run(() => Assert.Throws<SglException>(() => Receive(two, 1, 1)));
        await Task.Delay(50);
        there.Abort("stage 1 is out of luck");
        Assert.Equal("stage 1 is out of luck", (await waiting).Message);
        Send(one, 2, 1);
        here.Reset();
        Send(one, 2, 2);
        // The new tensor may come before this node has been told of the reset.
        foreach (StageMessage message in _first.Sent) there.Deliver(message);
        there.Reset();
        Assert.Equal([2], Receive(two, 1, 1));
        Assert.Equal((1, 1), (one.NumResets, two.NumResets));
    }

    [Fact]
    public void Who_sends_nothing_or_something_else_is_named()
    {
        StageExchange here = Exchange(_first, 0.05);
        using IPeerLink zero = Link(here, 0), one = Link(here, 1);
        Assert.Contains("stage 0 sent nothing to stage 1 within 50 ms", Assert.Throws<SglException>(() => Receive(one, 0, 1)).Message);
        Send(zero, 1, 1, 2);
        Assert.Contains("stage 0 sent 8 bytes where stage 1 expects 4", Assert.Throws<SglException>(() => Receive(one, 0, 1)).Message);
    }
}
