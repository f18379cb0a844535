using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class QueueOrderTests
{
    private static readonly SchedulerOptions s_lpm = Harness.Options(10_000, maxRunning: 300) with { Policy = SchedulePolicy.Lpm };

    [Fact]
    public void Longest_cached_prefix_goes_first()
    {
        var harness = new Harness(s_lpm);
        harness.Add("warm", Harness.Prompt(100), maxNew: 1);
        harness.Drain();
        harness.Add("none", Harness.Prompt(50, 5000));
        harness.Add("short", [.. Harness.Prompt(40), .. Harness.Prompt(10, 6000)]);
        harness.Add("long", [.. Harness.Prompt(90), .. Harness.Prompt(10, 7000)]);
        Assert.Equal("long short none", Order(harness));
    }

    [Fact]
    public void Of_those_that_share_an_uncached_prefix_one_goes_ahead()
    {
        var harness = new Harness(s_lpm);
        harness.Add("a1", [.. Harness.Prompt(40), 1]);
        harness.Add("a2", [.. Harness.Prompt(40), 2]);
        harness.Add("b1", [.. Harness.Prompt(40, 500), 1]);
        harness.Add("a3", [.. Harness.Prompt(31), 3]); // shares fewer than 32
        Assert.Equal("a1 b1 a3 a2", Order(harness));
    }

    [Fact]
    public void The_check_can_be_turned_off()
    {
        var harness = new Harness(s_lpm with { InBatchPrefixDeprioritizeThreshold = -1 });
        harness.Add("a1", [.. Harness.Prompt(40), 1]);
        harness.Add("a2", [.. Harness.Prompt(40), 2]);
        harness.Add("b1", [.. Harness.Prompt(40, 500), 1]);
        Assert.Equal("a1 a2 b1", Order(harness));
    }

    [Fact]
    public void Routing_keys_that_most_running_requests_have_go_first()
    {
        var harness = new Harness(Harness.Options(10_000, maxRunning: 300) with { Policy = SchedulePolicy.RoutingKey });
        foreach ((string rid, string? key) in new[] { ("r1", "x"), ("r2", "y"), ("r3", "y"), ("r4", null) }) Add(rid, key);
        harness.Step();
        foreach ((string rid, string? key) in new[] { ("none", null), ("z", "z"), ("x1", "x"), ("y1", "y"), ("x2", "x"), ("y2", "y") }) Add(rid, key);
        Assert.Equal("y1 y2 x1 x2 none z", Order(harness));

        void Add(string rid, string? key)
        {
            var request = new Request(rid, Harness.Prompt(5), new SamplingParams { MaxNewTokens = 100 }) { RoutingKey = key };
            Assert.True(harness.Scheduler.TryEnqueue(request, out _));
            harness.Streams[request] = [];
        }
    }

    [Theory]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public void Long_queues_are_first_come(int waiting, bool isSorted)
    {
        var harness = new Harness(s_lpm);
        harness.Add("warm", Harness.Prompt(50), maxNew: 1);
        harness.Drain();
        for (int i = 1; i < waiting; i++) harness.Add($"r{i}", [10_000 + i, 1], maxNew: 1);
        harness.Add("cached", Harness.Prompt(50), maxNew: 1);
        Assert.Equal(isSorted, Order(harness).StartsWith("cached", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_cache_lpm_is_first_come()
    {
        var harness = new Harness(s_lpm with { DisableRadixCache = true });
        harness.Add("a1", [.. Harness.Prompt(40), 1]);
        harness.Add("a2", [.. Harness.Prompt(40), 2]);
        harness.Add("b1", Harness.Prompt(40, 500));
        Assert.Equal("a1 a2 b1", Order(harness));
    }

    [Fact]
    public void Lof_takes_the_longest_output_first_and_of_equals_the_oldest()
    {
        var harness = new Harness(Harness.Options(10_000, maxRunning: 300) with { Policy = SchedulePolicy.Lof });
        harness.Add("a", [1], maxNew: 5);
        harness.Add("b", [2], maxNew: 50);
        harness.Add("c", [3], maxNew: 20);
        harness.Add("d", [4], maxNew: 50);
        Assert.Equal("b d c a", Order(harness));
    }

    [Fact]
    public void The_part_of_the_cache_that_most_wait_for_goes_first_and_deeper_before_higher()
    {
        var harness = new Harness(Harness.Options(10_000, maxRunning: 300) with { Policy = SchedulePolicy.DfsWeight });
        // One branch of 20 tokens that parts into two, and one of its own.
        harness.Add("warm1", [.. Harness.Prompt(20), .. Harness.Prompt(20, 1000)], maxNew: 1);
        harness.Drain();
        harness.Add("warm2", [.. Harness.Prompt(20), .. Harness.Prompt(20, 2000)], maxNew: 1);
        harness.Add("warm3", Harness.Prompt(40, 3000), maxNew: 1);
        harness.Drain();
        harness.Add("none", Harness.Prompt(5, 9000));
        harness.Add("other", [.. Harness.Prompt(30, 3000), 1]);
        harness.Add("upper", [.. Harness.Prompt(20), 1]);
        harness.Add("left", [.. Harness.Prompt(20), .. Harness.Prompt(10, 1000), 1]);
        harness.Add("right1", [.. Harness.Prompt(20), .. Harness.Prompt(10, 2000), 1]);
        harness.Add("right2", [.. Harness.Prompt(20), .. Harness.Prompt(10, 2000), 2]);
        Assert.Equal("right1 right2 left upper other none", Order(harness));
    }

    [Fact]
    public void Random_is_an_order_of_its_own_that_its_seed_repeats()
    {
        string[] orders = [.. new[] { 1, 1, 2 }.Select(seed =>
        {
            var harness = new Harness(Harness.Options(10_000, maxRunning: 300) with { Policy = SchedulePolicy.Random, RandomSeed = seed });
            for (int i = 0; i < 30; i++) harness.Add($"r{i}", [i]);
            return Order(harness);
        })];
        Assert.Equal(orders[0], orders[1]);
        Assert.NotEqual(orders[0], orders[2]);
        string[] inOrder = [.. Enumerable.Range(0, 30).Select(i => $"r{i}")];
        Assert.NotEqual(inOrder, orders[0].Split(' '));
        Assert.Equal(inOrder.Order(), orders[0].Split(' ').Order());
    }

    private static string Order(Harness harness)
    {
        string order = "";
        harness.OnPlan = plan => order += string.Join(' ', plan.Requests.ToArray().Select(request => request.Rid));
        harness.Step();
        return order;
    }
}
