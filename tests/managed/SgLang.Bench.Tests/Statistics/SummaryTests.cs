using SgLang.Bench.Statistics;

namespace SgLang.Bench.Tests.Statistics;

public class SummaryTests
{
    [Fact]
    public void Nothing_measured_is_null_and_not_zero()
    {
        Assert.Equal(new Summary { Count = 0 }, Summary.Of([]));
    }

    [Fact]
    public void One_value_is_all_its_figures()
    {
        Assert.Equal(new Summary { Count = 1, Mean = 3, Median = 3, StandardDeviation = 0, P90 = 3, P95 = 3, P99 = 3, Max = 3 }, Summary.Of([3]));
    }

    [Fact]
    public void Percentiles_are_the_specification_s_check_values()
    {
        Assert.Equal(3.6, Summary.Of([4, 1, 2]).P90!.Value, 12);
        Assert.Equal(1.95, Summary.Of([2, 1]).P95!.Value, 12);
    }

    [Fact]
    public void The_median_of_an_even_number_is_the_middle_of_two()
    {
        Assert.Equal(2.5, Summary.Of([4, 1, 2, 3]).Median);
        Assert.Equal(2, Summary.Of([4, 1, 2]).Median);
    }

    [Fact]
    public void The_standard_deviation_divides_by_n()
    {
        Assert.Equal(2, Summary.Of([2, 4, 4, 4, 5, 5, 7, 9]).StandardDeviation);
    }
}
