namespace SgLang.Profiling.Tests.Files;

public sealed class SliceLanesTests(ITestOutputHelper output)
{
    [Fact]
    public void Slices_of_a_lane_nest_or_are_apart()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 50; round++)
        {
            var lanes = new SliceLanes();
            (long Start, long End)[] slices = [.. Enumerable.Range(0, 129).Select(_ => { long start = random.Next(300); return (start, start + random.Next(60)); })
                .OrderBy(slice => slice.start).ThenByDescending(slice => slice.Item2)];
            int[] placed = [.. slices.Select(slice => lanes.Place(1, slice.Start, slice.End))];
            Assert.Equal(placed.Max() + 1, lanes.Count(1));
            for (int i = 0; i < slices.Length; i++)
                for (int j = i + 1; j < slices.Length; j++)
                    if (placed[i] == placed[j]) Assert.True(slices[j].Start >= slices[i].End || slices[j].End <= slices[i].End, $"{slices[i]} and {slices[j]} on lane {placed[i]}");
        }
    }

    [Fact]
    public void Nothing_moves_that_need_not()
    {
        var lanes = new SliceLanes();
        Assert.Equal([0, 0, 0, 1, 0], new[] { (0L, 10L), (2, 5), (5, 10), (9, 12), (10, 20) }.Select(slice => lanes.Place(3, slice.Item1, slice.Item2)));
        Assert.Equal(0, lanes.Place(4, 0, 100));
        Assert.Equal((2, 1, 0), (lanes.Count(3), lanes.Count(4), lanes.Count(5)));
    }
}
