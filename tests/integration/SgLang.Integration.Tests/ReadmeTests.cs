using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SgLang.Cli;

namespace SgLang.Integration.Tests;

/// <summary>The commands of README.md in their order, as written but for the server's address, and for directories and result files of the test's own.</summary>
public sealed partial class ReadmeTests(DemoServer demo) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-readme");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static string Readme => File.ReadAllText(Path.Combine(DemoServer.RepositoryRoot, "README.md"));

    [Fact]
    public async Task Requests_are_answered()
    {
        MatchCollection requests = Curl().Matches(Readme);
        Assert.Equal(["/generate", "/v1/chat/completions"], requests.Select(request => request.Groups["path"].Value));
        foreach (Match request in requests)
        {
            string path = request.Groups["path"].Value, body = request.Groups["body"].Value;
            if ((bool?)JsonNode.Parse(body)!["stream"] == true) Assert.NotEmpty(await demo.StreamAsync(path, body));
            else Assert.NotNull(await demo.PostOkAsync(path, body));
        }
    }

    [Fact]
    public async Task Measuring_and_profiling_work_from_top_to_bottom()
    {
        string[] lines = [.. Command().Matches(Readme).Select(match => match.Groups[1].Value).Where(line => !line.StartsWith("launch-server", StringComparison.Ordinal))];
        Assert.Equal(["send-one", "bench-one-batch", "bench-one-batch-server", "bench-offline-throughput", "bench-serving", "bench-compare", "profiler", "analyze-trace"],
            lines.Select(line => line.Split(' ')[0]));
        string server = demo.Host.Address.ToString(), results = Path.Combine(_directory, "results.jsonl");
        foreach (string line in lines)
        {
            string[] arguments = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(word => word.StartsWith("/tmp/", StringComparison.Ordinal) || word.EndsWith(".jsonl", StringComparison.Ordinal) ? Path.Combine(_directory, Path.GetFileName(word)) : word)];
            string[] further = arguments[0] switch
            {
                "send-one" => ["--base-url", server, "--max-new-tokens", "16"],
                "bench-one-batch" or "bench-offline-throughput" => ["--device", "cpu", "--max-total-tokens", "16384", "--result-filename", results],
                "bench-one-batch-server" => ["--base-url", server, "--result-filename", results],
                "bench-serving" => ["--base-url", server, "--sharegpt-output-len", "8", "--output-file", Path.Combine(_directory, "before.jsonl")],
                "profiler" => ["--url", server],
                _ => [],
            };
            using CancellationTokenSource done = new();
            Task load = arguments[0] == "profiler" ? LoadAsync(done.Token) : Task.CompletedTask;
            var output = new StringWriter();
            var error = new StringWriter();
            int code = await CommandLine.RunAsync([.. arguments, .. further], output, error);
            await done.CancelAsync();
            await load;
            Assert.True(code == 0, $"{line}: exit code {code}\n{error}\n{output}");
            if (arguments[0] == "bench-serving") File.Copy(Path.Combine(_directory, "before.jsonl"), Path.Combine(_directory, "after.jsonl"));
        }
    }

    [Fact]
    public void Every_page_it_links_to_is_there()
    {
        string[] pages = [.. Link().Matches(Readme).Select(match => match.Groups[1].Value)];
        Assert.NotEmpty(pages);
        Assert.All(pages, page => Assert.True(File.Exists(Path.Combine(DemoServer.RepositoryRoot, page)), $"there is no {page}"));
    }

    /// <summary>Steps for the profiler to record.</summary>
    private async Task LoadAsync(CancellationToken done)
    {
        while (!done.IsCancellationRequested)
            await demo.PostOkAsync("/generate", """{"input_ids": [5, 6, 7], "sampling_params": {"max_new_tokens": 20, "temperature": 0, "ignore_eos": true}}""");
    }

    [GeneratedRegex(@"curl (?:-N )?http://127\.0\.0\.1:30000(?<path>\S+) -H 'Content-Type: application/json' \\\s+-d '(?<body>[^']+)'")]
    private static partial Regex Curl();

    [GeneratedRegex(@"^out/bin/sglang ([^#\r\n]+)", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"\]\((docs/[^)]+)\)")]
    private static partial Regex Link();
}
