using SgLang.Bench.Statistics;

namespace SgLang.Bench.Tests.Statistics;

/// <summary>Check values of spec/benchmarks.md 2.4, and the published first outputs of MT19937.</summary>
public class RandomTests
{
    [Fact]
    public void The_twister_s_first_outputs_are_those_of_its_authors()
    {
        Mt19937 byKey = Mt19937.FromKey([0x123, 0x234, 0x345, 0x456]);
        Assert.Equal([1067595299u, 955945823, 477289528, 4107218783, 4228976476], Enumerable.Range(0, 5).Select(_ => byKey.NextUInt32()));
        // The 10000th output of seed 5489 is part of the C++ standard's definition of mt19937.
        Mt19937 plain = Mt19937.FromInteger(5489);
        uint last = 0;
        for (int i = 0; i < 10000; i++) last = plain.NextUInt32();
        Assert.Equal(4123659995u, last);
    }

    [Fact]
    public void Numpy_s_integers_are_reproduced()
    {
        Assert.Equal([121958, 15795, 860, 103694], new NumpyRandom(42).Integers(0, 128256, 4));
        Assert.Equal([51, 92, 14, 71, 60], new NumpyRandom(42).Integers(0, 100, 5));
    }

    [Fact]
    public void First_floats_are_reproduced()
    {
        Assert.Equal(0.3745401188473625, new NumpyRandom(42).NextDouble());
        Assert.Equal(0.6394267984578837, new PythonRandom(42).NextDouble());
    }

    [Fact]
    public void A_range_of_one_value_draws_nothing()
    {
        var random = new NumpyRandom(42);
        Assert.Equal(7, random.Integer(7, 8));
        Assert.Equal(0.3745401188473625, random.NextDouble());
    }

    [Fact]
    public void Exponential_times_have_the_mean_asked_for()
    {
        var random = new NumpyRandom(42);
        const int Count = 1000;
        double mean = Enumerable.Range(0, Count).Average(_ => random.Exponential(0.25));
        Assert.InRange(mean, 0.25 - (3 * 0.25 / Math.Sqrt(Count)), 0.25 + (3 * 0.25 / Math.Sqrt(Count)));
    }

    [Fact]
    public void Python_s_shuffle_and_choices_are_reproduced()
    {
        int[] items = [.. Enumerable.Range(0, 10)];
        new PythonRandom(42).Shuffle(items);
        Assert.Equal([7, 3, 2, 8, 5, 6, 9, 4, 0, 1], items);
        Assert.Equal([63, 2, 27, 22, 73], new PythonRandom(42).Choices(100, 5));
    }
}
