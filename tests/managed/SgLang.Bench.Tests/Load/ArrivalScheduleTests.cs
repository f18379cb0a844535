using SgLang.Bench.Load;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Tests.Load;

public class ArrivalScheduleTests
{
    private const int Count = 1001;

    private static double[] Draw(ArrivalOptions options, int count = Count) => ArrivalSchedule.Draw(count, options, new NumpyRandom(42));

    private static double[] Gaps(double[] due) => [.. due.Skip(1).Zip(due, (next, at) => next - at)];

    /// <summary>Coefficient of variation: standard deviation over mean.</summary>
    private static double Variation(double[] values)
    {
        Summary s = Summary.Of(values);
        return s.StandardDeviation!.Value / s.Mean!.Value;
    }

    [Fact]
    public void A_rate_alone_is_a_poisson_process_that_repeats_with_the_seed()
    {
        double[] due = Draw(new ArrivalOptions { Rate = 50 });
        Assert.Equal(due, Draw(new ArrivalOptions { Rate = 50 }));
        Assert.Equal(0, due[0]);
        double mean = due[^1] / (Count - 1), error = 1.0 / 50 / Math.Sqrt(Count - 1);
        Assert.InRange(mean, (1.0 / 50) - (3 * error), (1.0 / 50) + (3 * error));
        Assert.InRange(Variation(Gaps(due)), 0.85, 1.15);
        Assert.All(Draw(new ArrivalOptions(), 3), time => Assert.Equal(0, time));
    }

    [Theory]
    [InlineData(0.25)]
    [InlineData(4)]
    public void Burstiness_keeps_the_rate_and_changes_the_spread(double shape)
    {
        double[] gaps = Gaps(Draw(new ArrivalOptions { Rate = 50, Burstiness = shape }));
        double deviation = 1 / Math.Sqrt(shape), error = deviation / 50 / Math.Sqrt(gaps.Length);
        Assert.InRange(gaps.Average(), (1.0 / 50) - (4 * error), (1.0 / 50) + (4 * error));
        Assert.InRange(Variation(gaps), 0.75 * deviation, 1.25 * deviation);
    }

    [Fact]
    public void Infinite_burstiness_is_a_constant_gap()
    {
        Assert.All(Gaps(Draw(new ArrivalOptions { Rate = 50, Burstiness = double.PositiveInfinity })), gap => Assert.Equal(0.02, gap, 9));
    }

    [Theory]
    [InlineData("linear", 55)]
    [InlineData("exponential", 31.6)]
    public void A_ramp_goes_from_its_first_rate_to_its_last(string strategy, double middle)
    {
        double[] gaps = Gaps(Draw(new ArrivalOptions { RampStrategy = strategy, RampStart = 10, RampEnd = 100, Burstiness = double.PositiveInfinity }));
        Assert.Equal(10, 1 / gaps[0], 6);
        Assert.Equal(100, 1 / gaps[^1], 6);
        Assert.InRange(1 / gaps[gaps.Length / 2], middle * 0.98, middle * 1.02);
    }
}
