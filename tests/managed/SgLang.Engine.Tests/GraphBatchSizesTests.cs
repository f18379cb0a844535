using SgLang.Core;

namespace SgLang.Engine.Tests;

public sealed class GraphBatchSizesTests
{
    private const long Gib = 1L << 30;

    private static readonly EngineOptions s_options = new() { ModelPath = "m" };

    [Fact]
    public void The_list_is_the_documented_one_and_ends_at_the_largest()
    {
        Assert.Equal([1, 2, 4, 8, 12, 16, 24, 32], GraphBatchSizes.Default(32));
        Assert.Equal([1, 2, 4, 5], GraphBatchSizes.Default(5));
        Assert.Equal([1], GraphBatchSizes.Default(1));
        Assert.Equal([240, 248, 256, 272, 288, 300], GraphBatchSizes.Default(300)[^6..]);
        Assert.Equal([480, 496, 512, 544, 560], GraphBatchSizes.Default(560)[^5..]);
    }

    [Theory]
    [InlineData(16, 8)]
    [InlineData(24, 24)]
    [InlineData(48, 32)]
    [InlineData(80, 256)]
    [InlineData(141, 256)]
    [InlineData(180, 512)]
    public void The_largest_follows_the_memory_of_the_device(long gib, int largest) => Assert.Equal(largest, GraphBatchSizes.For(s_options, gib * Gib, 4096).Largest);

    [Fact]
    public void A_batch_takes_the_smallest_size_that_holds_it()
    {
        GraphBatchSizes sizes = GraphBatchSizes.For(s_options, 80 * Gib, 4096);
        foreach ((int batch, int size) in new[] { (1, 1), (3, 4), (5, 8), (13, 16), (255, 256), (256, 256), (257, 0) }) Assert.Equal(size, sizes.Select(batch));
        GraphBatchSizes exact = GraphBatchSizes.For(s_options with { DisableCudaGraphPadding = true, CudaGraphMaxBatchSize = 20 }, 80 * Gib, 4096);
        for (int batch = 1; batch <= 20; batch++) Assert.Equal(batch, exact.Select(batch));
        Assert.Equal(0, exact.Select(21));
        GraphBatchSizes chosen = GraphBatchSizes.For(s_options with { CudaGraphBatchSizes = [8, 2, 8], DisableCudaGraphPadding = true }, 80 * Gib, 4096);
        Assert.Equal([2, 8], chosen.Sizes.ToArray());
        Assert.Equal((2, 0, 8), (chosen.Select(2), chosen.Select(3), chosen.Select(8)));
    }

    [Fact]
    public void No_size_is_above_the_running_limit_which_has_one_of_its_own()
    {
        Assert.Equal([1, 2, 4, 8, 10], GraphBatchSizes.For(s_options, 80 * Gib, 10).Sizes.ToArray());
        Assert.Equal([1, 2, 4, 8], GraphBatchSizes.For(s_options, 80 * Gib, 8).Sizes.ToArray());
        Assert.Equal([3], GraphBatchSizes.For(s_options with { CudaGraphBatchSizes = [5, 9] }, 80 * Gib, 3).Sizes.ToArray());
    }

    [Fact]
    public void Nothing_is_captured_when_turned_off_and_nonsense_is_refused()
    {
        Assert.Equal((0, 0), (GraphBatchSizes.None.Largest, GraphBatchSizes.None.Select(1)));
        Assert.Equal(0, GraphBatchSizes.For(s_options with { DisableCudaGraph = true }, 80 * Gib, 64).Largest);
        Assert.Contains("--cuda-graph-max-bs", Assert.Throws<EngineStartException>(() => GraphBatchSizes.For(s_options with { CudaGraphMaxBatchSize = 0 }, Gib, 64)).Message);
        Assert.Contains("--cuda-graph-bs", Assert.Throws<EngineStartException>(() => GraphBatchSizes.For(s_options with { CudaGraphBatchSizes = [4, -1] }, Gib, 64)).Message);
    }
}
