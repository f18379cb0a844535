using System.Globalization;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Serving;

public class MaxRateSearchTests
{
    private static MaxRateSearch Run(double start, double limit)
    {
        MaxRateSearch search = new(start);
        for (int i = 0; search.Next is { } rate; i++)
        {
            Assert.True(i < 40, "the search does not end");
            search.Report(rate <= limit);
        }
        return search;
    }

    [Theory]
    [InlineData(1, 37.3)]
    [InlineData(100, 37.3)]
    [InlineData(37.3, 37.3)]
    [InlineData(1, 0.11)]
    public void The_limit_is_found_to_five_percent(double start, double limit)
    {
        MaxRateSearch search = Run(start, limit);
        Assert.InRange(search.Best!.Value, limit / 1.05, limit);
        Assert.False(search.WasNeverTooFast);
    }

    [Theory]
    [InlineData(1, 21.9)]
    [InlineData(1, 0.0123)]
    [InlineData(1000, 54321)]
    public void A_rate_found_is_one_that_a_person_can_type_again(double start, double limit)
    {
        double best = Run(start, limit).Best!.Value;
        Assert.Equal(best, double.Parse(best.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Without_a_limit_the_best_is_a_lower_bound_and_without_a_good_rate_there_is_none()
    {
        Assert.True(Run(1, double.PositiveInfinity).WasNeverTooFast);
        Assert.Null(Run(1, 0).Best);
    }
}
