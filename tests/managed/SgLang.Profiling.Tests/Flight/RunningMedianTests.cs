namespace SgLang.Profiling.Tests.Flight;

public class RunningMedianTests
{
    [Fact]
    public void It_equals_the_median_of_the_latest_values_sorted()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        foreach (int window in (int[])[1, 2, 7, 256])
        {
            RunningMedian median = new(window);
            Assert.Equal((0, 0), (median.Count, median.Value));
            List<long> all = [];
            for (int i = 0; i < 1000; i++)
            {
                // Few distinct values, so that equal ones are removed too.
                all.Add(random.Next(0, 50));
                median.Add(all[^1]);
                long[] latest = [.. all.TakeLast(window).Order()];
                Assert.True(latest.Length == median.Count && latest[latest.Length / 2] == median.Value, $"seed {seed}, window {window}, value {i}");
            }
        }
    }
}
