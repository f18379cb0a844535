using SgLang.Bench.Statistics;

namespace SgLang.Bench.Tests.Statistics;

public class ConfidenceTests
{
    [Fact]
    public void One_value_has_no_interval()
    {
        Assert.Equal(new Confidence(1, 5, null), Confidence.Of([5]));
        Assert.Null(Confidence.Difference([1], [1, 2]).HalfWidth);
    }

    [Fact]
    public void The_interval_is_student_s()
    {
        // Standard deviation sqrt(2) with divisor n - 1, two degrees of freedom.
        Confidence c = Confidence.Of([1, 2, 3]);
        Assert.Equal(2, c.Mean);
        Assert.Equal(4.303 / Math.Sqrt(3), c.HalfWidth!.Value, 9);
        Assert.Equal(0, Confidence.Of([4, 4, 4, 4]).HalfWidth);
    }

    [Fact]
    public void A_difference_s_interval_is_welch_s()
    {
        // Variances 1 and 4 over 3 each: freedom (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2) = 2.94, rounded down to 2.
        Confidence d = Confidence.Difference([1, 2, 3], [6, 8, 10]);
        Assert.Equal(6, d.Mean);
        Assert.Equal(4.303 * Math.Sqrt(5.0 / 3), d.HalfWidth!.Value, 9);
        Assert.Equal(0, Confidence.Difference([1, 1], [2, 2]).HalfWidth);
    }
}
