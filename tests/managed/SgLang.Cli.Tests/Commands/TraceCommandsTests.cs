using System.Globalization;
using System.Text.Json.Nodes;

namespace SgLang.Cli.Tests.Commands;

/// <summary>merge-traces and analyze-trace as they are called.</summary>
public sealed class TraceCommandsTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-traces");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string Save(string name, double kernelMicroseconds)
    {
        string path = Path.Combine(_directory, name);
        IEnumerable<string> events = Enumerable.Range(0, 5).SelectMany(i => (string[])[
            $$$"""{"ph":"X","cat":"user_annotation","name":"step[DECODE bs=1]","pid":1,"tid":1,"ts":{{{1000 * i}}},"dur":90}""",
            $$$"""{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":1,"tid":1,"ts":{{{1000 * i + 1}}},"dur":2,"args":{"correlation":{{{i}}}}}""",
            string.Create(CultureInfo.InvariantCulture, $$$"""{"ph":"X","cat":"kernel","name":"gemm","pid":0,"tid":7,"ts":{{{1000 * i + 5}}},"dur":{{{kernelMicroseconds}}},"args":{"correlation":{{{i}}},"stream":7}}""")]);
        File.WriteAllText(path, $$"""{"traceEvents": [{{string.Join(",\n", events)}}]}""");
        return path;
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        return (await CommandLine.RunAsync(arguments, output, error), output.ToString(), error.ToString());
    }

    [Fact]
    public async Task A_slower_trace_ends_with_code_3()
    {
        string slow = Save("slow.json", 20), fast = Save("fast.json", 10);
        (int code, string output, _) = await Run("analyze-trace", slow, "--diff", fast);
        Assert.Equal(3, code);
        Assert.Contains("step[DECODE bs=1]", output, StringComparison.Ordinal);
        Assert.Contains("slower", output, StringComparison.Ordinal);
        Assert.Equal(0, (await Run("analyze-trace", fast, "--diff", slow)).Code);
        Assert.Equal(0, (await Run("analyze-trace", slow, "--diff", fast, "--threshold", "150")).Code);
    }

    [Fact]
    public async Task Json_and_the_page_are_written_on_request()
    {
        string page = Path.Combine(_directory, "page.html");
        (int code, string output, _) = await Run("analyze-trace", Save("a.json", 20), "--json", "--html", page, "--peak-bandwidth", "1000", "--peak-tflops", "100");
        Assert.Equal(0, code);
        JsonNode json = JsonNode.Parse(output)!;
        Assert.Equal((5, 1e12), ((int)json["kernels"]![0]!["count"]!, (double)json["ceiling_bytes_per_second"]!));
        Assert.StartsWith("<!DOCTYPE html>", File.ReadAllText(page), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_means_its_rank_traces()
    {
        Save("7-TP-0.trace.json", 10);
        Save("7-TP-1.trace.json", 10);
        Assert.Contains("30 events", (await Run("analyze-trace", _directory)).Output, StringComparison.Ordinal);
        (int code, string output, _) = await Run("merge-traces", _directory, "--num-ranks", "2");
        Assert.Equal(0, code);
        Assert.Contains("(Events: 30, Files: 2)", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "the file ends in the middle", "analyze-trace", "DIR/broken.json")]
    [InlineData(1, "the trace is damaged after 0 events", "merge-traces", "DIR/broken.json")]
    [InlineData(1, "3 ranks are expected and 1 traces are there", "merge-traces", "DIR/7-TP-0.trace.json", "--num-ranks", "3")]
    [InlineData(2, "there is no such file", "analyze-trace", "DIR/none.json")]
    [InlineData(2, "there is no such file", "analyze-trace", "DIR/7-TP-0.trace.json", "--diff", "DIR/none.json")]
    [InlineData(2, "--wait: needs --num-ranks", "merge-traces", "DIR", "--wait", "1")]
    [InlineData(2, "--threshold", "analyze-trace", "DIR/7-TP-0.trace.json", "--threshold", "-1")]
    public async Task What_cannot_be_done_says_why(int wanted, string message, params string[] arguments)
    {
        Save("7-TP-0.trace.json", 10);
        File.WriteAllText(Path.Combine(_directory, "broken.json"), """{"traceEvents": [{"ph":"X" """);
        (int code, _, string error) = await Run([.. arguments.Select(argument => argument.Replace("DIR", _directory, StringComparison.Ordinal))]);
        Assert.Equal(wanted, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }
}
