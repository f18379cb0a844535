namespace SgLang.Profiling.Tests.Clocks;

public sealed class ClockExchangeTests(ITestOutputHelper output)
{
    [Fact]
    public void The_truth_lies_within_the_bound_whatever_way_takes_long()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 200; round++)
        {
            long ahead = random.NextInt64(-10_000_000_000, 10_000_000_000);
            ClockExchange[] exchanges = [.. Enumerable.Range(0, 1 + random.Next(8)).Select(_ =>
            {
                long asked = random.NextInt64(1L << 60), there = random.Next(2_000_000), work = random.Next(100_000), back = random.Next(2_000_000);
                return new ClockExchange(asked, asked + there + ahead, asked + there + work + ahead, asked + there + work + back);
            })];
            ClockOffset best = ClockExchange.Best(exchanges);
            Assert.InRange(ahead, best.Nanoseconds - best.ErrorNanoseconds, best.Nanoseconds + best.ErrorNanoseconds);
            Assert.Equal(exchanges.Min(one => one.Offset.ErrorNanoseconds), best.ErrorNanoseconds);
        }
    }

    [Fact]
    public void Offsets_against_a_third_clock_give_the_offset_between_two() =>
        Assert.Equal(new ClockOffset(-40, 12), ClockOffset.Between(new ClockOffset(60, 5), new ClockOffset(100, 7)));
}
