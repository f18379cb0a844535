namespace SgLang.Profiling.Tests.Analysis;

public sealed class TraceDiffTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-diff");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Steps of one kernel each, of some 100 us.</summary>
    private TraceAnalysis Trace(string name, int steps, Func<int, double> microseconds)
    {
        var trace = new TraceText();
        for (int i = 0; i < steps; i++)
        {
            double start = 1000 * i;
            trace.Step("step[DECODE bs=4]", start, start + 50).Host("cpu_op", "linear", start + 1, start + 5).Kernel("gemm", start + 2, start + 3, start + 10, start + 10 + microseconds(i));
        }
        return TraceAnalyzer.Analyze([trace.Save(Path.Combine(_directory, name))]);
    }

    private static DiffRow Step(TraceDiff diff) => diff.Rows.Single(row => row.Table == "step");

    [Fact]
    public void A_clear_change_is_called_by_its_name_in_every_table()
    {
        TraceAnalysis before = Trace("a", 20, i => 100 + i % 3), after = Trace("b", 40, i => 120 + i % 3);
        TraceDiff slower = TraceDiff.Compare(before, after, 0.05);
        Assert.True(slower.IsSlower);
        Assert.All(slower.Rows.Where(row => row.Name != "(unknown)"), row => Assert.Equal(DiffVerdict.Slower, row.Verdict));
        Assert.Equal(0.198, Step(slower).Change!.Value, 2);
        TraceDiff faster = TraceDiff.Compare(after, before, 0.05);
        Assert.False(faster.IsSlower);
        Assert.Equal(DiffVerdict.Faster, Step(faster).Verdict);
        Assert.False(TraceDiff.Compare(before, after, 0.25).IsSlower);
        Assert.False(TraceDiff.Compare(before, before, 0).IsSlower);
    }

    [Fact]
    public void Scatter_hides_a_change_that_it_explains()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        // The error of the difference of two means of 8 times with a deviation of some 58 is 29: 8 of 100 are nothing.
        TraceAnalysis before = Trace("a", 8, i => i % 2 == 0 ? 45 + random.NextDouble() : 155), after = Trace("b", 8, i => i % 2 == 0 ? 53 + random.NextDouble() : 163);
        TraceDiff diff = TraceDiff.Compare(before, after, 0.05);
        Assert.Equal(DiffVerdict.Same, Step(diff).Verdict);
        Assert.True(Step(diff).Noise > 0.5);
    }

    [Fact]
    public void Single_occurrences_need_a_larger_change()
    {
        Assert.False(TraceDiff.Compare(Trace("a", 1, _ => 100), Trace("b", 1, _ => 112), 0.05).IsSlower);
        Assert.True(TraceDiff.Compare(Trace("a", 1, _ => 100), Trace("b", 1, _ => 120), 0.05).IsSlower);
    }

    [Fact]
    public void What_is_little_in_one_trace_only_is_compared_all_the_same()
    {
        TraceAnalysis much = Two("a", 50), little = Two("b", 3);
        Assert.Equal([("large", DiffVerdict.Same), ("small", DiffVerdict.Faster)], Verdicts(TraceDiff.Compare(much, little, 0.05)));
        Assert.Equal([("large", DiffVerdict.Same), ("small", DiffVerdict.Slower)], Verdicts(TraceDiff.Compare(little, much, 0.05)));
        Assert.Equal([("large", DiffVerdict.Same)], Verdicts(TraceDiff.Compare(little, little, 0.05)));

        TraceAnalysis Two(string name, double small)
        {
            TraceText trace = new();
            for (int i = 0; i < 5; i++) trace.Kernel("large", 3000 * i, 3000 * i + 1, 3000 * i + 2, 3000 * i + 1002).Kernel("small", 3000 * i + 1100, 3000 * i + 1101, 3000 * i + 1102, 3000 * i + 1102 + small);
            return TraceAnalyzer.Analyze([trace.Save(Path.Combine(_directory, name))]);
        }

        static (string, DiffVerdict)[] Verdicts(TraceDiff diff) => [.. diff.Rows.Where(row => row.Table == "kernel").Select(row => (row.Name, row.Verdict))];
    }

    [Fact]
    public void What_only_one_trace_has_is_said_but_is_not_slower()
    {
        string a = new TraceText().Kernel("old", 0, 1, 2, 3).Save(Path.Combine(_directory, "a")), b = new TraceText().Kernel("new", 0, 1, 2, 3).Save(Path.Combine(_directory, "b"));
        TraceDiff diff = TraceDiff.Compare(TraceAnalyzer.Analyze([a]), TraceAnalyzer.Analyze([b]), 0.05);
        Assert.Equal([("new", DiffVerdict.Added), ("old", DiffVerdict.Removed)], diff.Rows.Where(row => row.Table == "kernel").Select(row => (row.Name, row.Verdict)).Order());
        Assert.False(diff.IsSlower);
        Assert.Contains("removed", diff.ToText(10), StringComparison.Ordinal);
    }
}
