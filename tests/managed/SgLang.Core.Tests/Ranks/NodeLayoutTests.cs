namespace SgLang.Core.Tests.Ranks;

public sealed class NodeLayoutTests
{
    [Theory]
    [InlineData(2, 8, 2, 1, "0 1")]
    [InlineData(2, 1, 1, 2, "0 1")]
    [InlineData(2, 1, 4, 1, "0 0 1 1")]
    [InlineData(2, 2, 2, 2, "0 0 1 1")]
    [InlineData(3, 1, 2, 3, "0 0 1 1 2 2")]
    [InlineData(3, 1, 3, 2, "0 0 1 1 2 2")]
    [InlineData(1, 4, 2, 3, "0 0 0 0 0 0")]
    public void Stages_are_dealt_out_in_equal_runs(int nodes, int tp, int pp, int dp, string expected)
    {
        NodeLayout layout = new(nodes, tp, pp, dp);
        Assert.Null(layout.Refusal);
        Assert.Equal(expected, string.Join(' ', Enumerable.Range(0, pp * dp).Select(i => layout.NodeOf(i / pp, i % pp))));
        // Tensor ranks stay with their stage.
        foreach (RankPlace place in RankPlace.All(tp, pp, 1, dp)) Assert.Equal(layout.NodeOf(place.DpRank, place.PpRank), layout.NodeOf(place));
    }

    [Fact]
    public void A_replica_is_spread_when_its_stages_are_on_several_nodes()
    {
        NodeLayout layout = new(3, 1, 3, 2);
        Assert.Equal([true, true], Enumerable.Range(0, 2).Select(layout.IsSpread));
        Assert.Equal([0, 1], layout.NodesOf(0));
        Assert.Equal([1, 2], layout.NodesOf(1));
        Assert.False(new NodeLayout(2, 4, 2, 2).IsSpread(1));
    }

    [Theory]
    [InlineData(2, 2, 1, 1, "Tensor parallelism stays within a node")]
    [InlineData(4, 1, 2, 1, "(--pp-size or --dp-size 4)")]
    [InlineData(2, 1, 3, 1, "--nnodes 2 must divide --pp-size x --dp-size, 3")]
    public void What_cannot_be_laid_out_is_refused_with_the_reason(int nodes, int tp, int pp, int dp, string reason) =>
        Assert.Contains(reason, new NodeLayout(nodes, tp, pp, dp).Refusal);
}
