using SgLang.Core;

namespace SgLang.Engine.Tests.Replicas;

public sealed class BalancerTests
{
    private static ReplicaLoad Load(int requests, long tokens = 0, int cached = 0, bool alive = true) => new(alive, requests, tokens, cached);

    [Fact]
    public void Round_robin_takes_turns_and_passes_over_the_dead()
    {
        Balancer balancer = new(LoadBalanceMethod.RoundRobin);
        ReplicaLoad[] loads = [Load(9), Load(0, alive: false), Load(5)];
        Assert.Equal([0, 2, 0, 2], Enumerable.Range(0, 4).Select(_ => balancer.Choose(loads, 10)));
        Assert.Equal(-1, balancer.Choose([Load(0, alive: false)], 10));
    }

    [Fact]
    public void Fewest_requests_and_fewest_tokens_win()
    {
        ReplicaLoad[] loads = [Load(3, 10), Load(2, 500), Load(4, 10)];
        Assert.Equal(1, new Balancer(LoadBalanceMethod.TotalRequests).Choose(loads, 10));
        // Equal tokens: fewer requests.
        Assert.Equal(0, new Balancer(LoadBalanceMethod.TotalTokens).Choose(loads, 10));
    }

    [Fact]
    public void Equal_loads_take_turns()
    {
        Balancer balancer = new(LoadBalanceMethod.TotalRequests);
        Assert.Equal([0, 1, 2, 0], Enumerable.Range(0, 4).Select(_ => balancer.Choose([Load(1), Load(1), Load(1)], 10)));
    }

    /// <summary>spec/distributed.md 11.8</summary>
    [Theory]
    [InlineData(30, 100, true)]
    [InlineData(150, 200, false)]
    [InlineData(220, 300, false)]
    public void Loads_are_imbalanced_by_the_difference_and_the_ratio(int least, int most, bool expected) =>
        Assert.Equal(expected, Balancer.IsImbalanced(least, most));

    [Fact]
    public void A_cached_prefix_wins_until_loads_differ_too_much()
    {
        Balancer balancer = new(LoadBalanceMethod.CacheAware);
        Assert.Equal(1, balancer.Choose([Load(0), Load(20, cached: 64)], 100));
        // 2 of 12 is too little (spec/distributed.md 11.9).
        Assert.Equal(0, balancer.Choose([Load(0), Load(20, cached: 2)], 12));
        Assert.Equal(0, balancer.Choose([Load(0), Load(100, cached: 64)], 100));
        Assert.Equal(0, balancer.Choose([Load(5), Load(1, cached: 64, alive: false)], 100));
    }
}
