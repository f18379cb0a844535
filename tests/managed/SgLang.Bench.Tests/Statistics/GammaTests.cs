using SgLang.Bench.Statistics;

namespace SgLang.Bench.Tests.Statistics;

public class GammaTests
{
    [Theory]
    [InlineData(0.3)]
    [InlineData(1)]
    [InlineData(2.5)]
    [InlineData(20)]
    public void Mean_and_variance_of_a_gamma_distribution_are_its_shape(double shape)
    {
        const int Count = 20000;
        var random = new NumpyRandom(42);
        Summary s = Summary.Of([.. Enumerable.Range(0, Count).Select(_ => random.StandardGamma(shape))]);
        Assert.InRange(s.Mean!.Value, shape - (5 * Math.Sqrt(shape / Count)), shape + (5 * Math.Sqrt(shape / Count)));
        Assert.InRange(s.StandardDeviation!.Value * s.StandardDeviation.Value, shape * 0.9, shape * 1.1);
    }

    [Fact]
    public void Numpy_s_legacy_normals_are_reproduced()
    {
        // The first draws of numpy.random.seed(42); randn(5), which its documentation and countless notebooks show.
        var random = new NumpyRandom(42);
        double[] expected = [0.49671415301123, -0.13826430117118, 0.64768853810069, 1.52302985640803, -0.23415337472333];
        foreach (double value in expected) Assert.Equal(value, random.StandardNormal(), 12);
    }

    [Fact]
    public void A_weighted_choice_follows_its_weights()
    {
        var random = new NumpyRandom(42);
        int[] counts = new int[3];
        for (int i = 0; i < 8000; i++) counts[random.Choice([4.0, 0.0, 4.0])]++;
        Assert.Equal(0, counts[1]);
        Assert.InRange(counts[0], 3700, 4300);
    }
}
