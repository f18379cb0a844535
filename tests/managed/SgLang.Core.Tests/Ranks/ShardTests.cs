using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace SgLang.Core.Tests.Ranks;

public sealed class ShardTests
{
    /// <summary>Hkv 8, tp 16: one KV head for each pair of ranks (spec/distributed.md 11.4).</summary>
    [Fact]
    public void Fewer_heads_than_ranks_are_shared_by_neighbours()
    {
        for (int rank = 0; rank < 16; rank++)
        {
            Assert.Equal(new Shard(8, rank / 2, 1), Shard.Heads(8, rank, 16));
            Assert.Equal(new Shard(32, 2 * rank, 2), Shard.Heads(32, rank, 16));
        }
    }

    /// <summary>spec/distributed.md 11.5</summary>
    [Fact]
    public void A_vocabulary_is_padded_to_64_before_it_is_cut()
    {
        Assert.Equal(new Shard(151936, 37984, 37984), Shard.Vocabulary(151936, 1, 4, out long padded));
        Assert.Equal(37984, padded);
        Assert.Equal(new Shard(32001, 16032, 15969), Shard.Vocabulary(32001, 1, 2, out padded));
        Assert.Equal(16032, padded);
        Assert.Equal(new Shard(32001, 0, 32001), Shard.Vocabulary(32001, 0, 1, out padded));
        Assert.Equal(32001, padded);
    }

    [Fact]
    public void What_does_not_divide_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Shard.Even(10, 0, 3));
        Assert.Throws<ArgumentException>(() => Shard.Heads(3, 0, 4));
    }

    [Property(MaxTest = 300)]
    public Property Shares_of_a_vocabulary_partition_it() => Prop.ForAll(
        Gen.Choose(1, 5000).Zip(Gen.Choose(1, 16)).ToArbitrary(),
        pair =>
        {
            long next = 0;
            for (int rank = 0; rank < pair.Item2; rank++)
            {
                Shard rows = Shard.Vocabulary(pair.Item1, rank, pair.Item2, out long padded);
                Assert.Equal(Math.Min(pair.Item1, padded * rank), rows.First);
                Assert.Equal(next, rows.First);
                Assert.InRange(rows.Count, 0, padded);
                next = rows.End;
            }
            Assert.Equal(pair.Item1, next);
        });

    [Property(MaxTest = 300)]
    public Property Query_heads_find_their_kv_head_on_their_own_rank() => Prop.ForAll(
        (from kv in Gen.Elements(1, 2, 3, 4, 8)
         from queriesOfEach in Gen.Elements(1, 2, 4, 7, 8)
         from ranks in Gen.Elements(1, 2, 4, 8, 16)
         where kv * queriesOfEach % ranks == 0 && (kv % ranks == 0 || ranks % kv == 0)
         select (Kv: kv, Queries: kv * queriesOfEach, Ranks: ranks)).ToArbitrary(),
        shape =>
        {
            for (int rank = 0; rank < shape.Ranks; rank++)
            {
                Shard queries = Shard.Heads(shape.Queries, rank, shape.Ranks), kv = Shard.Heads(shape.Kv, rank, shape.Ranks);
                for (long i = 0; i < queries.Count; i++)
                {
                    // What attention over this rank's heads takes, and what the whole model would.
                    long local = kv.First + i / (queries.Count / kv.Count);
                    Assert.Equal((queries.First + i) / (shape.Queries / shape.Kv), local);
                }
            }
        });
}
