using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using SgLang.Bench.Load;
using SgLang.Bench.Reports;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Serving;

public class ServingPlotsTests
{
    private static long At(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private static ServingRun Run(double rate)
    {
        RequestRecord[] records = [.. Enumerable.Range(0, 5).Select(i =>
        {
            RequestRecord record = new(i) { PlannedInput = 4, Scheduled = At(i), Sent = At(i), Ended = At(i + 3), OutputTokens = 3, IsCountedByChunk = true };
            for (int token = 1; token <= 3; token++) record.Arrivals.Add(new Arrival(At(i + token), 1));
            return record;
        })];
        ServingMetrics metrics = ServingMetrics.Of(records, true, null);
        JsonObject line = ServingReport.ToJson(new ServingOptions { BaseUrl = new Uri("http://h") }, new ArrivalOptions { Rate = rate }, metrics, new Bench.Datasets.Dataset("d", "s", []), null, []);
        line["model"] = "<m & n>";
        return new ServingRun(rate, 0, metrics, records, line);
    }

    [Fact]
    public void A_run_has_six_pictures_and_a_sweep_two_more_each_well_formed()
    {
        string directory = Path.GetDirectoryName(DemoModel.ResultFile())!;
        Assert.Equal(6, ServingPlots.Write(directory, [Run(1)]).Count);
        IReadOnlyList<string> files = ServingPlots.Write(directory, [Run(1), Run(2), Run(double.PositiveInfinity)]);
        Assert.Equal(["throughput", "concurrency", "cdf-ttft", "cdf-tpot", "cdf-itl", "cdf-e2e", "sweep-latency", "sweep-throughput"], files.Select(f => Path.GetFileNameWithoutExtension(f)));
        foreach (string file in files)
        {
            XElement svg = XDocument.Load(file).Root!;
            Assert.Equal("svg", svg.Name.LocalName);
            Assert.True(svg.Descendants().Count(e => e.Name.LocalName == "path") > 2, $"{file} has no lines");
        }
    }

    [Theory]
    [InlineData(2, 30, "2 5 10 20")]
    [InlineData(0.5, 900000, "1 10 100 1000 10000 100000")]
    [InlineData(0, 12, "0.01 0.1 1 10")]
    [InlineData(7, 7, "")]
    public void A_logarithmic_axis_has_round_numbers(double least, double most, string ticks)
    {
        // Next above 0 lies 0.002, where 0 stands too.
        Picture picture = new("p", "t", "ms", "share", [Picture.Distribution("a", [least, least == 0 ? 0.002 : least, most]), Picture.Distribution("b", [most])]) { IsLogarithmic = true };
        string[] texts = [.. XDocument.Parse(picture.ToSvg()).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];
        Assert.All(ticks.Split(' ', StringSplitOptions.RemoveEmptyEntries), tick => Assert.Contains(tick, texts));
    }

    [Fact]
    public void Over_time_open_requests_and_tokens_are_means_of_their_interval()
    {
        Timeline timeline = Timeline.Of(Run(1).Records);
        // 15 tokens in all, and 5 requests of 3 s each.
        Assert.Equal(15, timeline.TokensPerSecond.Sum() * timeline.Step, 6);
        Assert.Equal(15, timeline.OpenRequests.Sum() * timeline.Step, 6);
        Assert.Equal(3, timeline.OpenRequests.Max(), 6);
    }

    [Fact]
    public void The_page_is_whole_in_itself_and_names_are_escaped()
    {
        string page = HtmlReport.ToHtml([Run(1), Run(2)]);
        Assert.Contains("&lt;m &amp; n&gt;", page);
        Assert.Equal(8, page.Split("<svg").Length - 1);
        Assert.DoesNotContain("src=", page);
    }

    [Fact]
    public void The_terminal_s_bars_reach_from_nothing_to_the_most()
    {
        string text = TerminalPlot.Bars("Title", [0, 5, 10], 1);
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("Title", lines[0]);
        Assert.Equal("       10 |  █", lines[1]);
        Assert.Equal("        0 | ██", lines[10]);
        Assert.EndsWith("Time (s), 1 s a bar", lines[^1]);
        Assert.Contains("n/a", TerminalPlot.Bars("Title", [], 1));
    }
}
