using SgLang.Core;
using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Experts;

public sealed class ExpertExchangePlanTests(ITestOutputHelper output)
{
    /// <summary>Plays all ranks: rows are numbers, and what comes back to a token is the set of ranks that have some of its experts.</summary>
    [Fact]
    public void The_plans_of_all_ranks_fit_together_and_send_only_what_is_routed()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 200; round++)
        {
            int parts = random.Next(1, 5), ranks = parts * random.Next(1, 4), expertsPerPart = random.Next(1, 5), experts = parts * expertsPerPart, k = random.Next(1, Math.Min(8, experts) + 1);
            int tokens = random.Next(1, 40);
            int[] ids = [.. Enumerable.Range(0, tokens).SelectMany(_ => Draw(random, experts, k))];
            Played[] all = [.. Enumerable.Range(0, ranks).Select(rank => Played.Of(Rule(rank, ranks, parts, experts, k), ids))];
            for (int from = 0; from < ranks; from++)
                for (int to = 0; to < ranks; to++)
                    Assert.Equal(all[from].Sends[to], all[to].Receives[from]);
            for (int to = 0; to < ranks; to++)
            {
                // In the order of sources, each source's in the order that it sends.
                int[] arrived = [.. Enumerable.Range(0, ranks).SelectMany(from => all[from].SentTo(to))];
                Assert.Equal(all[to].ReceivedTokens, arrived);
                Assert.Equal(Enumerable.Range(0, tokens).Where(token => Wants(ids, k, token, to * parts / ranks, expertsPerPart)), arrived);
            }
            for (int rank = 0; rank < ranks; rank++)
            {
                (long first, long count) = ExpertExchangePlan.Own(tokens, rank, ranks);
                for (int own = 0; own < count; own++)
                {
                    for (int peer = 0; peer < ranks; peer++)
                    {
                        int row = all[rank].Combined[own * ranks + peer];
                        Assert.Equal(Wants(ids, k, (int)first + own, peer * parts / ranks, expertsPerPart), row >= 0);
                        if (row >= 0) Assert.Equal((own, peer), (all[rank].SentRows[row], all[rank].DestinationOf(row)));
                    }
                }
            }
        }
    }

    [Fact]
    public void Tokens_are_dealt_out_in_runs_that_cover_all_once()
    {
        for (int ranks = 1; ranks <= 8; ranks++)
            for (int tokens = 0; tokens < 40; tokens++)
                Assert.Equal(Enumerable.Range(0, tokens), Enumerable.Range(0, ranks).SelectMany(rank =>
                {
                    (long first, long count) = ExpertExchangePlan.Own(tokens, rank, ranks);
                    Assert.True(count == 0 || first == rank * ExpertExchangePlan.Share(tokens, ranks));
                    return Enumerable.Range((int)first, (int)count);
                }));
    }

    private static ExpertExchangeRule Rule(int rank, int ranks, int parts, int experts, int k) =>
        new() { Rank = rank, NumRanks = ranks, NumParts = parts, NumExperts = experts, ExpertsPerToken = k, RowBytes = 2, Threshold = long.MinValue };

    private static int[] Draw(Random random, int experts, int k)
    {
        int[] order = [.. Enumerable.Range(0, experts)];
        random.Shuffle(order);
        return order[..k];
    }

    private static bool Wants(int[] ids, int k, int token, int part, int expertsPerPart) => ids.AsSpan(token * k, k).ToArray().Any(expert => expert / expertsPerPart == part);

    private sealed record Played(long First, long[] Sends, long[] Receives, int[] SentRows, int[] ReceivedTokens, int[] Combined)
    {
        public static Played Of(ExpertExchangeRule rule, int[] ids)
        {
            var plan = new ExpertExchangePlan(rule);
            int tokens = ids.Length / rule.ExpertsPerToken;
            (long first, long count) = ExpertExchangePlan.Own(tokens, rule.Rank, rule.NumRanks);
            int[] sent = new int[plan.MostSent(count)], received = new int[tokens], combined = new int[count * rule.NumRanks];
            (int numSent, int numReceived) = plan.Fill(ids, sent, received, combined);
            return new Played(first, plan.SendCounts.ToArray(), plan.ReceiveCounts.ToArray(), sent[..numSent], received[..numReceived], combined);
        }

        /// <summary>Of all tokens, those that this rank sends to another, in order.</summary>
        public IEnumerable<int> SentTo(int rank) => SentRows.Skip((int)Sends[..rank].Sum()).Take((int)Sends[rank]).Select(own => (int)First + own);

        public int DestinationOf(int row)
        {
            int rank = 0;
            while (row >= Sends[rank]) row -= (int)Sends[rank++];
            return rank;
        }
    }
}
