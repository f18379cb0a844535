using System.Text.Json;
using SgLang.Cli;
using SgLang.Profiling;
using SgLang.Tests.Shared;

namespace SgLang.Integration.Tests;

/// <summary>
/// Every benchmark command of SGLang's documentation as its users type it, run on the demo model: names of models and servers differ, and flags
/// that follow keep large ones small.
/// </summary>
public sealed class DocumentedCommandsTests(DemoServer demo) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-bench");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    public static IEnumerable<TheoryDataRow<string>> Lines => BenchmarkCommands.Lines(DemoServer.RepositoryRoot).Select(line => new TheoryDataRow<string>(line));

    private string ResultFile => Path.Combine(_directory, "result.jsonl");

    private string Server => demo.Host.Address.ToString();

    private string[] Traces => Directory.GetFiles(_directory, "*.trace.json.gz", SearchOption.AllDirectories);

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Works_as_written(string line)
    {
        string[] arguments = [.. BenchmarkCommands.Arguments(line).Select(word =>
            word.StartsWith("meta-llama/", StringComparison.Ordinal) ? DemoServer.ModelPath : word.StartsWith("http://127.0.0.1:3000", StringComparison.Ordinal) ? Server : word)];
        bool isProfiled = arguments.Contains("--profile");
        switch (arguments[0])
        {
            case "bench-one-batch":
                Assert.Contains("Decode.  median latency:", await RunAsync([.. arguments, "--device", "cpu", "--max-total-tokens", "65536", "--result-filename", ResultFile, "--profile-output-dir", _directory]));
                Assert.Equal((Given("--batch") ?? Given("--batch-size"), Given("--input-len"), Given("--output-len") ?? "16"),
                    (Result("batch_size").ToString(), Result("input_len").ToString(), Result("output_len").ToString()));
                Assert.Equal(isProfiled ? 2 : 0, Traces.Length);
                break;
            case "bench-one-batch-server":
                Assert.Contains($"batch size: 32\ninput_len: 256\noutput_len: 32\nlatency: ", await RunAsync([.. arguments, "--result-filename", ResultFile]));
                Assert.Equal(32 * 256, Result("prompt_tokens").GetInt32());
                break;
            case "bench-offline-throughput":
                await RunAsync([.. arguments, "--device", "cpu", "--max-total-tokens", "16384", "--random-input", "64", "--random-output", "16", "--result-filename", ResultFile, "--profile-output-dir", _directory]);
                Assert.Equal(10, Result("successful_requests").GetInt32());
                Assert.Equal(isProfiled ? 1 : 0, Traces.Length);
                break;
            case "bench-serving":
                int most = Math.Min(10, int.Parse(Given("--num-prompts") ?? Given("--num-prompt")!, System.Globalization.CultureInfo.InvariantCulture));
                string report = await RunAsync([.. arguments, "--base-url", Server, "--num-prompts", $"{most}", "--sharegpt-output-len", "8", "--random-input", "64", "--random-output", "16",
                    "--output-file", ResultFile, "--profile-output-dir", _directory]);
                Assert.Contains("============ Serving Benchmark Result ============\n", report);
                Assert.Equal((most, 0), (Result("completed").GetInt32(), Result("failed_requests").GetInt32()));
                Assert.Equal(isProfiled ? 1 : 0, Traces.Length);
                // Where two workers are named both are this one server, which can record one window at a time.
                if (isProfiled) Assert.Matches("Profiler started", report);
                break;
            case "send-one":
                Assert.Contains("| Latency (s) | Tokens | Acc Length | Speed (token/s) |", await RunAsync([.. arguments, "--base-url", Server, "--max-new-tokens", "16", "--profile-prefix", Path.GetFileName(_directory)]));
                break;
            case "profiler":
                using (CancellationTokenSource done = new())
                {
                    Task load = LoadAsync(done.Token);
                    string printed = await RunAsync([.. arguments, "--url", Server, "--output-dir", _directory]);
                    done.Cancel();
                    await load;
                    Assert.Contains($"Steps recorded: {Given("--num-steps") ?? "5"} ", printed);
                }
                Assert.Equal(arguments.Contains("--merge-profiles") ? 2 : 1, Traces.Length);
                break;
            default:
                Assert.Fail($"no test knows {arguments[0]}");
                break;
        }
        Assert.All(Traces, trace => Assert.NotEmpty(TraceAnalyzer.Analyze([trace]).Steps));

        string? Given(string flag) => Array.IndexOf(arguments, flag) is >= 0 and var at ? arguments[at + 1] : null;
    }

    private JsonElement Result(string name) => JsonDocument.Parse(Assert.Single(File.ReadAllLines(ResultFile))).RootElement.GetProperty(name);

    /// <summary>Steps for the profiler to record.</summary>
    private async Task LoadAsync(CancellationToken done)
    {
        while (!done.IsCancellationRequested)
            await demo.PostOkAsync("/generate", """{"input_ids": [5, 6, 7], "sampling_params": {"max_new_tokens": 20, "temperature": 0, "ignore_eos": true}}""");
    }

    private static async Task<string> RunAsync(string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(arguments, output, error);
        Assert.True(code == 0, $"{string.Join(' ', arguments)}: exit code {code}\n{error}\n{output}");
        return output.ToString().ReplaceLineEndings("\n");
    }
}
