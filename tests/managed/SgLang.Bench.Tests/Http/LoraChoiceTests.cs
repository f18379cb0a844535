using SgLang.Bench.Http;

namespace SgLang.Bench.Tests.Http;

public class LoraChoiceTests
{
    [Fact]
    public void Distributions_choose_as_they_say()
    {
        Assert.Equal([null, null], LoraChoice.For(2, [], "uniform", 1.5, 1));
        Assert.Equal(["a", "b", "a"], LoraChoice.For(3, ["a", "b"], "distinct", 1.5, 1));
        int Count(string name, string distribution, double alpha) => LoraChoice.For(3000, ["a", "b", "c"], distribution, alpha, 7).Count(n => n == name);
        Assert.InRange(Count("a", "uniform", 1.5), 850, 1150);
        // Weights 1, 1/2, 1/4.
        Assert.InRange(Count("a", "skewed", 2), 3000 * 4 / 7 - 150, 3000 * 4 / 7 + 150);
        Assert.InRange(Count("c", "skewed", 2), 3000 / 7 - 120, 3000 / 7 + 120);
    }

    [Theory]
    [InlineData("distinct", 1.5, "needs at least two of --lora-name, got 1")]
    [InlineData("skewed", 1.5, "needs at least two of --lora-name, got 1")]
    public void One_name_is_too_few_for_some(string distribution, double alpha, string message)
    {
        Assert.Contains(message, Assert.ThrowsAny<BenchException>(() => LoraChoice.For(2, ["a"], distribution, alpha, 1)).Message);
    }

    [Fact]
    public void A_skew_needs_an_alpha_above_1()
    {
        Assert.Contains("--lora-zipf-alpha must be above 1, got 1", Assert.ThrowsAny<BenchException>(() => LoraChoice.For(2, ["a", "b"], "skewed", 1, 1)).Message);
    }
}
