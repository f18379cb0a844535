using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Cli;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Profiling;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>The benchmark commands on the demo model; those of SGLang's documentation are in <see cref="DocumentedCommandsTests"/>.</summary>
public sealed class BenchCommandsTests(DemoServer demo) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-bench");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string ResultFile => Path.Combine(_directory, "result.jsonl");

    private JsonElement[] Lines => [.. File.ReadAllLines(ResultFile).Select(line => JsonDocument.Parse(line).RootElement)];

    private async Task<string> RunAsync(string line, params string[] more)
    {
        line = Regex.Replace(line, @"meta-llama/\S+", DemoServer.ModelPath).Replace("http://127.0.0.1:30000", demo.Host.Address.ToString().TrimEnd('/'));
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync([.. line.Split(' '), .. more], output, error);
        Assert.True(code == 0, $"{line}: exit code {code}\n{error}\n{output}");
        return output.ToString().ReplaceLineEndings("\n");
    }

    [Fact]
    public async Task One_batch_through_a_server()
    {
        string output = await RunAsync(
            "bench-one-batch-server --base-url http://127.0.0.1:30000 --model-path meta-llama/Meta-Llama-3.1-8B-Instruct --batch-size 32 --input-len 256 --output-len 32", "--result-filename", ResultFile, "--show-report");
        Assert.Contains("batch size: 32\ninput_len: 256\noutput_len: 32\nlatency: ", output);
        JsonElement result = Lines.Single();
        Assert.Equal((32L * 256, 0.0), (result.GetProperty("prompt_tokens").GetInt64(), result.GetProperty("cache_hit_rate").GetDouble()));
        Assert.True(result.GetProperty("last_ttft").GetDouble() <= result.GetProperty("latency").GetDouble());
    }

    [Fact]
    public async Task A_batch_through_a_server_under_its_profiler()
    {
        string output = await RunAsync(
            "bench-one-batch-server --base-url http://127.0.0.1:30000 --batch-size 1 3 --input-len 32 --output-len 12 --skip-warmup --profile --profile-steps 4 --profile-prefix p-",
            "--result-filename", ResultFile, "--profile-output-dir", _directory, "--show-report");
        // The profiled batches are run a second time and are no results.
        Assert.Equal([1, 3], Lines.Select(line => line.GetProperty("batch_size").GetInt32()));
        string[] traces = [.. Directory.GetFiles(_directory, "*.trace.json.gz", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Assert.Equal(2, traces.Length);
        foreach ((string trace, int batch) in traces.Zip([1, 3]))
        {
            Assert.StartsWith($"p-bs-{batch}-il-32-", Path.GetFileName(trace));
            TraceAnalysis analysis = TraceAnalyzer.Analyze([trace]);
            Assert.Equal(4, analysis.Steps.Count);
            Assert.Contains($"bs={batch}", analysis.Steps[^1].Name);
            Assert.Contains(Path.GetDirectoryName(trace)!, output);
        }
    }

    [Fact]
    public async Task Half_of_a_batch_is_cached_on_request()
    {
        await RunAsync("bench-one-batch-server --base-url http://127.0.0.1:30000 --batch 2 --input-len 128 --output-len 4 --cache-hit-rate 0.5 --skip-warmup", "--result-filename", ResultFile);
        Assert.Equal(0.5, Lines.Single().GetProperty("cache_hit_rate").GetDouble(), 2);
    }

    [Fact]
    public async Task A_server_is_started_where_there_is_none()
    {
        int port;
        using (System.Net.Sockets.TcpListener free = new(System.Net.IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((System.Net.IPEndPoint)free.LocalEndpoint).Port;
        }
        string output = await RunAsync("bench-one-batch-server --model meta-llama/Meta-Llama-3.1-8B-Instruct --batch 1 2 --input-len 16 --output-len 3 --device cpu --num-threads 1 --max-total-tokens 4096",
            "--port", $"{port}", "--result-filename", ResultFile);
        Assert.Contains($"Starting a server at http://127.0.0.1:{port}/", output);
        Assert.Equal([1, 2], Lines.Select(line => line.GetProperty("batch_size").GetInt32()));
        using HttpClient client = new();
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync($"http://127.0.0.1:{port}/health"));
    }

    [Fact]
    public async Task A_folder_with_nothing_but_a_config_is_enough_for_every_tool()
    {
        string model = Path.Combine(_directory, "model");
        Directory.CreateDirectory(model);
        File.Copy(Path.Combine(DemoServer.ModelPath, "config.json"), Path.Combine(model, "config.json"));
        string[] engine = ["--load-format", "dummy", "--model-path", model, "--device", "cpu", "--num-threads", "1", "--max-total-tokens", "4096"];
        await RunAsync("bench-one-batch --batch 2 --input-len 16 --output-len 3", [.. engine, "--result-filename", ResultFile]);
        await RunAsync("bench-offline-throughput --dataset-name random-ids --num-prompts 3 --random-input 16 --random-output 3", [.. engine, "--result-filename", ResultFile]);
        await using InferenceEngine served = InferenceEngine.Start(new EngineOptions { ModelPath = model, LoadFormat = LoadFormat.Dummy, Device = DeviceKind.Cpu, NumThreads = 1, MaxTotalTokens = 4096 });
        await using ServerHost host = await ServerHost.StartAsync(served, new ServerOptions { Port = 0 }, NullLoggerFactory.Instance);
        string url = host.Address.ToString();
        await RunAsync("bench-one-batch-server --batch 2 --input-len 16 --output-len 3 --dataset-name random-ids", "--base-url", url, "--result-filename", ResultFile);
        Assert.Contains("No tokenizer: prompts are sent as token ids.",
            await RunAsync("bench-serving --dataset-name random-ids --num-prompts 3 --random-input 16 --random-output 3", "--base-url", url, "--output-file", ResultFile));
        Assert.Contains("| Latency (s) |", await RunAsync("send-one --random-input-len 9 --random-input-vocab-size 100 --max-new-tokens 3", "--base-url", url));
        Assert.Equal(["bench-one-batch", "bench-offline-throughput", "bench-one-batch-server", "bench-serving"], Lines.Select(line => line.GetProperty("tool").GetString()));
    }

    [Fact]
    public async Task Only_a_flush_makes_a_prompt_unknown_again()
    {
        string[] more = ["--base-url", demo.Host.Address.ToString(), "--output-file", ResultFile];
        const string One = "bench-serving --dataset-name random-ids --num-prompts 1 --random-input 200 --random-output 2 --random-range-ratio 1 --cache-report";
        await RunAsync(One + " --flush-cache", more);
        await RunAsync(One, more);
        await RunAsync(One + " --flush-cache", more);
        int[] cached = [.. Lines.Select(line => line.GetProperty("cached_tokens").GetInt32())];
        Assert.Equal((0, 0), (cached[0], cached[2]));
        Assert.True(cached[1] > 100, $"{cached[1]} tokens were cached");
    }

    [Fact]
    public async Task A_run_whose_requests_all_fail_says_why_and_fails()
    {
        var output = new StringWriter();
        int code = await CommandLine.RunAsync(
            ["bench-serving", "--dataset-name", "random-ids", "--num-prompts", "3", "--random-input", "8", "--random-output", "2", "--warmup-requests", "0", "--extra-request-body",
                """{"sampling_params": {"temperature": -1}}""", "--base-url", demo.Host.Address.ToString(), "--output-file", ResultFile], output, TextWriter.Null);
        Assert.Equal(1, code);
        Assert.Contains("3 requests FAILED", output.ToString());
        Assert.Contains("temperature must be a non-negative", output.ToString());
        Assert.Contains("n/a", output.ToString());
        JsonElement line = Lines.Single();
        Assert.Equal((0, 3, JsonValueKind.Null), (line.GetProperty("completed").GetInt32(), line.GetProperty("failed_requests").GetInt32(), line.GetProperty("mean_ttft_ms").ValueKind));
    }

    [Fact]
    public async Task Rates_repeats_limits_and_pictures_in_one_go()
    {
        string plots = Path.Combine(_directory, "plots"), html = Path.Combine(_directory, "report.html");
        string output = await RunAsync(
            "bench-serving --num-prompts 6 --dataset-name random --random-input 16 --random-output 8 --request-rate 100 200 --num-repeats 2 --goodput ttft:60000 --flush-cache --plot-throughput --cache-report",
            "--base-url", demo.Host.Address.ToString(), "--output-file", ResultFile, "--plot", plots, "--html", html);
        Assert.Equal(4, Lines.Length);
        Assert.All(Lines, line => Assert.Equal(1, line.GetProperty("goodput").GetProperty("share").GetDouble()));
        Assert.Equal(2, Lines[1].GetProperty("repeats").GetProperty("runs").GetInt32());
        Assert.Contains("2 runs: mean and 95 % interval", output);
        Assert.Equal(8, Directory.GetFiles(plots, "*.svg").Length);
        string page = File.ReadAllText(html);
        Assert.Contains("<svg", page);
        Assert.DoesNotContain("href=\"http", page.Replace("xlink:href", ""));
    }

    [Fact]
    public async Task Conversations_of_several_turns_go_on_with_the_real_answers()
    {
        await RunAsync(
            "bench-serving --backend sglang-oai-chat --dataset-name generated-shared-prefix --gsp-num-groups 2 --gsp-prompts-per-group 2 --gsp-system-prompt-len 20 --gsp-question-len 5 --gsp-output-len 4 --gsp-num-turns 3 --max-concurrency 2",
            "--base-url", demo.Host.Address.ToString(), "--output-file", ResultFile);
        JsonElement line = Lines.Single();
        Assert.Equal((12, 48), (line.GetProperty("completed").GetInt32(), line.GetProperty("total_output_tokens").GetInt32()));
    }
}
