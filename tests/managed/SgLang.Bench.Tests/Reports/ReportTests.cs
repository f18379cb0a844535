using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Tests.Reports;

public class ReportTests
{
    [Fact]
    public void The_layout_is_the_specification_s()
    {
        string report = new ReportTable().Title(" Serving Benchmark Result ").Row("Backend:", "sglang").Row("Successful requests:", 10).Row("Benchmark duration (s):", 2.954)
            .Section("End-to-End Latency").Section("Inter-Token Latency").Row("Max ITL (ms):", (double?)null).End().ToString();
        Assert.Equal(
            "============ Serving Benchmark Result ============\n" +
            "Backend:                                 sglang    \n" +
            "Successful requests:                     10        \n" +
            "Benchmark duration (s):                  2.95      \n" +
            "----------------End-to-End Latency----------------\n" +
            "---------------Inter-Token Latency----------------\n" +
            "Max ITL (ms):                            n/a       \n" +
            "==================================================\n", report);
    }

    [Fact]
    public void Whether_a_file_can_be_written_is_found_out_without_a_trace()
    {
        string directory = Directory.CreateTempSubdirectory("sgl-test").FullName;
        string path = Path.Combine(directory, "r.jsonl");
        ResultFile.CheckWritable("--output-file", path);
        Assert.False(File.Exists(path));
        File.WriteAllText(path, "{}\n");
        ResultFile.CheckWritable("--output-file", path);
        Assert.Equal("{}\n", File.ReadAllText(path));
        ResultFile.CheckWritable("--output-file", "");
        Assert.StartsWith("--output-file: cannot write", Assert.Throws<BenchUsageException>(() => ResultFile.CheckWritable("--output-file", Path.Combine(directory, "no", "r.jsonl"))).Message);
        Assert.StartsWith("--html: cannot write", Assert.Throws<BenchUsageException>(() => ResultFile.CheckWritable("--html", directory)).Message);
    }

    [Fact]
    public void Lines_are_strict_json_in_python_s_spelling()
    {
        JsonObject result = new() { ["a"] = 1, ["b"] = 2.0, ["c"] = "é\n\"", ["d"] = new JsonArray(1.5, null), ["e"] = ResultFile.Number(double.NaN), ["f"] = true };
        Assert.Equal("""{"a": 1, "b": 2.0, "c": "\u00e9\n\"", "d": [1.5, null], "e": null, "f": true}""", ResultFile.ToLine(result));
    }

    [Fact]
    public void A_second_result_is_appended()
    {
        string path = Path.Combine(TestDirectory.Create("sgl-bench"), "r.jsonl");
        ResultFile.Append(path, new JsonObject { ["x"] = 0.1 });
        ResultFile.Append(path, RunFacts.AddTo(new JsonObject { ["x"] = 0.2 }, "test", new JsonObject { ["flag"] = "v" }));
        JsonElement[] lines = [.. File.ReadAllLines(path).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([0.1, 0.2], lines.Select(line => line.GetProperty("x").GetDouble()));
        Assert.Equal(RunFacts.SchemaVersion, lines[1].GetProperty("schema_version").GetInt32());
        Assert.Equal("v", lines[1].GetProperty("arguments").GetProperty("flag").GetString());
        Directory.Delete(Path.GetDirectoryName(path)!, true);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_said()
    {
        Assert.Contains("/nowhere/r.jsonl", Assert.ThrowsAny<BenchException>(() => ResultFile.Append("/nowhere/r.jsonl", [])).Message);
    }
}
