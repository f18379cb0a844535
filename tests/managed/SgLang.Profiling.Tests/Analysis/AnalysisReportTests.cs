using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SgLang.Profiling.Tests.Analysis;

public sealed partial class AnalysisReportTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-report");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private TraceAnalysis Sample(string kernel) => TraceAnalyzer.Analyze([new TraceText()
        .Step("step[DECODE bs=1]", 0, 10).Host("user_annotation", "model.layers.0", 1, 9).Kernel(kernel, 2, 3, 4, 8).Save(Path.Combine(_directory, "t.json"))]);

    [Fact]
    public void The_page_needs_nothing_else_and_no_name_breaks_out_of_it()
    {
        string path = Path.Combine(_directory, "page.html");
        TraceAnalysis analysis = Sample("evil</script><script>alert(1)</script>");
        AnalysisHtml.Write(analysis, TraceDiff.Compare(analysis, analysis, 0.05), path);
        string page = File.ReadAllText(path);
        Assert.DoesNotContain("{{", page[..page.IndexOf("id=\"data\"", StringComparison.Ordinal)], StringComparison.Ordinal);
        Assert.DoesNotMatch(LoadsSomething(), page);
        Assert.Contains("Leon Sorokin", page, StringComparison.Ordinal);
        Assert.DoesNotContain("alert(1)</script>", page, StringComparison.Ordinal);
        Match data = Data().Match(page);
        JsonNode json = JsonNode.Parse(data.Groups[1].Value)!;
        Assert.Equal("evil</script><script>alert(1)</script>", (string)json["kernels"]![0]!["name"]!);
        Assert.Equal(4, (double)json["kernels"]![0]!["total_us"]!);
        Assert.Equal(600, json["activity"]!["devices"]![0]![0]!.AsArray().Count);
        Assert.Contains(json["timeline"]!["spans"]!.AsArray(), span => (string)span![5]! == "Compute" && (double)span[4]! == 4);
    }

    [Fact]
    public void Json_has_the_figures_of_the_analysis_without_the_pictures()
    {
        using var bytes = new MemoryStream();
        TraceAnalysis a = Sample("k");
        AnalysisJson.Write(a, null, bytes, withTimeline: false, isIndented: true);
        JsonNode json = JsonNode.Parse(bytes.ToArray())!;
        Assert.Equal(["files", "events", "device_type", "has_device_work", "ceiling_bytes_per_second", "ceiling_flops_per_second", "notes", "module_coverage", "operator_coverage", "devices", "steps", "modules", "layers", "operators", "kernels"],
            json.AsObject().Select(member => member.Key));
        Assert.Equal((4, 1, 10), ((double)json["steps"]![0]!["busy_us"]!, (int)json["steps"]![0]!["works"]!, (double)json["steps"]![0]!["host_us"]!));
    }

    [Fact]
    public void The_tables_cut_long_names_in_the_middle_and_say_what_they_leave_out()
    {
        var trace = new TraceText();
        for (int i = 0; i < 20; i++) trace.Kernel($"start{i:00}{new string('x', 100)}end", i, i + 0.5, 100 + i, 100.5 + i);
        string text = AnalysisText.Write(TraceAnalyzer.Analyze([trace.Save(Path.Combine(_directory, "t.json"))]), 5);
        Assert.Contains("start00", text, StringComparison.Ordinal);
        Assert.Contains("xend", text, StringComparison.Ordinal);
        Assert.Contains("... 15 more", text, StringComparison.Ordinal);
        Assert.All(text.Split('\n'), line => Assert.InRange(Encoding.UTF8.GetByteCount(line), 0, 200));
    }

    [GeneratedRegex("""<(script|img|link|iframe)[^>]*\s(src|href)=|@import|url\(""")]
    private static partial Regex LoadsSomething();

    [GeneratedRegex("""<script id="data" type="application/json">(.*?)</script>""", RegexOptions.Singleline)]
    private static partial Regex Data();
}
