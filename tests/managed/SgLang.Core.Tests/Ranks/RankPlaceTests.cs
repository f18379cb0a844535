using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace SgLang.Core.Tests.Ranks;

public sealed class RankPlaceTests
{
    /// <summary>tp 8, ep 4 (spec/distributed.md 11.2).</summary>
    /// <summary>The third of spec/distributed.md's examples.</summary>
    [Fact]
    public void Attention_by_data_parallelism_splits_a_tensor_group()
    {
        RankPlace[] places = RankPlace.All(tpSize: 8, dpSize: 4, dpAttention: true);
        Assert.Equal(8, places.Length);
        Assert.Equal((2, 2, 1, 2), (places[5].AttentionTpSize, places[5].AttentionDpRank, places[5].AttentionTpRank, places[5].DpRank));
    }

    [Fact]
    public void Expert_ranks_are_blocks_of_a_tensor_group()
    {
        RankPlace[] places = RankPlace.All(tpSize: 8, epSize: 4);
        Assert.All(places, place => Assert.Equal(2, place.MoeTpSize));
        Assert.Equal([0, 0, 1, 1, 2, 2, 3, 3], places.Select(place => place.EpRank));
        Assert.Equal([0, 1, 0, 1, 0, 1, 0, 1], places.Select(place => place.MoeTpRank));
    }

    [Fact]
    public void Places_come_in_the_order_of_replica_stage_and_tensor_rank()
    {
        RankPlace[] places = RankPlace.All(tpSize: 2, ppSize: 3, dpSize: 2);
        Assert.Equal(12, places.Length);
        for (int i = 0; i < places.Length; i++)
        {
            Assert.Equal((i / 6, i / 2 % 3, i % 2), (places[i].DpRank, places[i].PpRank, places[i].TpRank));
            Assert.Equal(i % 6, places[i].WorldRank);
        }
    }

    [Theory]
    [InlineData(61, new[] { 15, 15, 15, 16 })]
    [InlineData(30, new[] { 7, 7, 8, 8 })]
    [InlineData(4, new[] { 1, 1, 1, 1 })]
    public void The_last_stages_take_the_layers_that_remain(int layers, int[] expected) =>
        Assert.Equal(expected, RankPlace.All(tpSize: 1, ppSize: 4).Select(place => (int)place.Layers(layers).Count));

    [Property(MaxTest = 300)]
    public Property Stages_partition_the_layers_in_order() => Prop.ForAll(
        Gen.Choose(1, 200).Zip(Gen.Choose(1, 16)).Where(pair => pair.Item2 <= pair.Item1).ToArbitrary(),
        pair =>
        {
            long next = 0;
            foreach (RankPlace place in RankPlace.All(1, pair.Item2))
            {
                Shard layers = place.Layers(pair.Item1);
                Assert.Equal(next, layers.First);
                Assert.InRange(layers.Count, pair.Item1 / pair.Item2, pair.Item1 / pair.Item2 + 1);
                next = layers.End;
            }
            Assert.Equal(pair.Item1, next);
        });
}
