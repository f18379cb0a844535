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

    private static string Order(Harness harness)
    {
        string order = "";
        harness.OnPlan = plan => order += string.Join(' ', plan.Requests.ToArray().Select(request => request.Rid));
        harness.Step();
        return order;
    }
}
