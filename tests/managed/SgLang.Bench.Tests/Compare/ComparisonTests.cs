using System.Text.Json.Nodes;
using SgLang.Bench.Compare;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Tests.Compare;

public class ComparisonTests
{
    private static JsonObject Line(int batch, double throughput, double latency) => RunFacts.AddTo(
        new JsonObject { ["batch_size"] = batch, ["output_throughput"] = throughput, ["mean_ttft_ms"] = latency, ["device"] = "cpu", ["dataset"] = new JsonObject { ["sha256"] = "abc" } },
        "bench-serving", new JsonObject { ["seed"] = 42, ["profile"] = null, ["output_file"] = Guid.NewGuid().ToString() });

    private static string FileOf(params JsonObject[] lines)
    {
        string path = DemoModel.ResultFile();
        foreach (JsonObject line in lines) ResultFile.Append(path, line);
        return path;
    }

    private static IReadOnlyList<CaseChange> Compare(string first, string second, params string[] mayDiffer) =>
        Runs(first, second, mayDiffer).Cases;

    private static ComparedRuns Runs(string first, string second, params string[] mayDiffer) =>
        Comparison.Of(new CompareOptions { First = first, Second = second, MayDiffer = mayDiffer.ToHashSet() });

    [Fact]
    public void A_change_beyond_the_noise_is_better_or_worse_by_the_figure_s_own_direction()
    {
        string first = FileOf(Line(1, 100, 50), Line(1, 101, 51), Line(1, 99, 49));
        string second = FileOf(Line(1, 120, 60), Line(1, 121, 61), Line(1, 119, 59));
        CaseChange change = Compare(first, second).Single();
        Assert.Equal([("output_throughput", Verdict.Better), ("mean_ttft_ms", Verdict.Worse)], change.Figures.Select(f => (f.Field, f.Verdict)));
        Assert.Equal(0.2, change.Figures[0].Change, 9);
        // Standard deviations of 1 on three runs each: half-width t(4) * sqrt(2/3), over 100.
        Assert.Equal(2.776 * Math.Sqrt(2.0 / 3) / 100, change.Figures[0].HalfWidth!.Value, 9);
        string text = CompareReport.ToText(new ComparedRuns([change], []));
        Assert.Contains("WORSE", text);
        Assert.EndsWith("Better: 1. Worse: 1. Within the interval or the threshold: 0.\n", text);
    }

    [Fact]
    public void A_change_within_the_noise_or_the_threshold_is_none()
    {
        string first = FileOf(Line(1, 100, 50), Line(1, 130, 50.1)), second = FileOf(Line(1, 125, 50.4), Line(1, 100, 50.5));
        Assert.All(Compare(first, second).Single().Figures, f => Assert.Equal(Verdict.Same, f.Verdict));
    }

    [Fact]
    public void Single_runs_are_never_called_better_or_worse()
    {
        CaseChange change = Compare(FileOf(Line(1, 100, 50)), FileOf(Line(1, 10, 500))).Single();
        Assert.All(change.Figures, f => Assert.Equal((Verdict.Unknown, null), (f.Verdict, f.HalfWidth)));
        Assert.Contains("A side was run once", CompareReport.ToText(new ComparedRuns([change], [])));
    }

    [Fact]
    public void Cases_are_compared_each_with_its_own()
    {
        string first = FileOf(Line(1, 100, 50), Line(8, 500, 80)), second = FileOf(Line(8, 500, 80), Line(1, 100, 50));
        Assert.Equal(["batch_size 1", "batch_size 8"], Compare(first, second).Select(c => c.Case));
        Assert.All(Compare(first, second).SelectMany(c => c.Figures), f => Assert.Equal(0, f.Change));
    }

    [Theory]
    [InlineData("arguments.seed", "43", "seed: 42 and 43")]
    [InlineData("arguments.profile", "true", "profile: null and true")]
    [InlineData("device", "\"cuda\"", "device: \"cpu\" and \"cuda\"")]
    [InlineData("dataset.sha256", "\"def\"", "dataset: \"abc\" and \"def\"")]
    [InlineData("host.name", "\"elsewhere\"", "host_name: ")]
    [InlineData("tool", "\"bench-one-batch\"", "tool: ")]
    [InlineData("batch_size", "2", "case 'batch_size 1' is only in")]
    [InlineData("failed_requests", "3", "requests failed")]
    public void Unlike_runs_are_refused_with_every_difference(string path, string value, string message)
    {
        JsonObject other = Line(1, 100, 50);
        string[] names = path.Split('.');
        JsonObject at = names.Length == 1 ? other : other[names[0]]!.AsObject();
        at[names[^1]] = JsonNode.Parse(value);
        string first = FileOf(Line(1, 100, 50)), second = FileOf(other);
        Assert.Contains(message, Assert.Throws<UnlikeRunsException>(() => Compare(first, second)).Message);
        if (path == "arguments.seed") Assert.Single(Compare(first, second, "seed"));
    }

    [Fact]
    public void What_tells_cases_apart_may_be_under_test_too()
    {
        JsonObject Limited(int? concurrency, double throughput)
        {
            JsonObject line = Line(1, throughput, 50);
            line["max_concurrency"] = concurrency;
            line["arguments"]!["max_concurrency"] = concurrency;
            return line;
        }
        string open = FileOf(Limited(null, 100), Limited(null, 101)), four = FileOf(Limited(4, 80), Limited(4, 81)), both = FileOf(Limited(4, 80), Limited(8, 90));
        Assert.Contains("is only in", Assert.Throws<UnlikeRunsException>(() => Compare(open, four)).Message);
        CaseChange change = Compare(open, four, "max_concurrency").Single();
        Assert.Equal(("batch_size 1", Verdict.Worse), (change.Case, change.Figures[0].Verdict));
        Assert.Contains("has runs with max_concurrency 4, 8", Assert.ThrowsAny<BenchException>(() => Compare(open, both, "max_concurrency")).Message);
    }

    [Fact]
    public void A_name_that_no_line_has_is_refused()
    {
        string file = FileOf(Line(1, 100, 50));
        Assert.Contains("no line has sead", Assert.ThrowsAny<BenchException>(() => Compare(file, file, "seed", "sead", "device", "batch_size", "failed_requests")).Message);
    }

    [Fact]
    public void Flags_that_only_one_version_knows_are_named_and_not_compared()
    {
        JsonObject newer = Line(1, 100, 50);
        JsonObject arguments = newer["arguments"]!.AsObject();
        arguments["a_switch"] = false;
        arguments["a_text"] = null;
        arguments["a_number"] = 7;
        arguments["tag"] = "immaterial";
        string first = FileOf(Line(1, 100, 50)), second = FileOf(newer);
        Assert.Equal(["a_number (7)", "a_switch", "a_text"], Runs(first, second).NotCompared);
        Assert.Equal(Runs(first, second).NotCompared, Runs(second, first).NotCompared);
        Assert.Equal(["a_switch", "a_text"], Runs(first, second, "a_number").NotCompared);
        Assert.StartsWith("Not compared, because not all lines record them", CompareReport.ToText(Runs(first, second)));
        Assert.Empty(Runs(first, first).NotCompared);

        // What both record still counts.
        arguments["seed"] = 43;
        Assert.Contains("seed: 42 and 43", Assert.Throws<UnlikeRunsException>(() => Runs(first, FileOf(newer))).Message);
    }

    [Theory]
    [InlineData("output_file")]
    [InlineData("profile_output_dir")]
    [InlineData("tag")]
    public void Where_a_run_was_written_does_not_matter(string argument)
    {
        JsonObject other = Line(1, 100, 50);
        other["arguments"]![argument] = "elsewhere";
        Assert.Single(Compare(FileOf(Line(1, 100, 50)), FileOf(other)));
    }

    [Theory]
    [InlineData("not json", "line 1: not JSON")]
    [InlineData("{\"a\": 1}", "line 1: not a result line")]
    [InlineData("{\"tool\": \"t\", \"schema_version\": 99}", "line 1: schema version 99")]
    [InlineData("", "has no result lines")]
    public void A_file_of_something_else_is_said(string text, string message)
    {
        string path = DemoModel.ResultFile();
        File.WriteAllText(path, text);
        Assert.Contains(message, Assert.ThrowsAny<BenchException>(() => Compare(path, path)).Message);
    }
}
