namespace SgLang.Cli.Tests;

public class CommandLineTests
{
    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public async Task Version_is_one_line()
    {
        Assert.Equal((0, $"sglang 0.1.0{Environment.NewLine}", ""), await Run("--version"));
    }

    [Theory]
    [InlineData("bench-one-batch --input-len 8 --output-len 2 --result-filename /no/such/directory/r.jsonl", "--result-filename: cannot write '/no/such/directory/r.jsonl'")]
    [InlineData("bench-offline-throughput --num-prompts 2 --result-filename /no/such/directory/r.jsonl", "--result-filename: cannot write '/no/such/directory/r.jsonl'")]
    [InlineData("bench-one-batch-server --base-url http://127.0.0.1:9 --result-filename /no/such/directory/r.jsonl", "--result-filename: cannot write '/no/such/directory/r.jsonl'")]
    [InlineData("bench-serving --base-url http://127.0.0.1:9 --output-file /no/such/directory/r.jsonl", "--output-file: cannot write '/no/such/directory/r.jsonl'")]
    public async Task A_benchmark_that_could_not_write_its_result_is_not_begun(string line, string message)
    {
        (int code, string output, string error) = await Run(line.Split(' '));
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(message, error);
    }

    [Fact]
    public async Task A_benchmark_that_measured_nothing_did_not_succeed()
    {
        (int code, string output, _) = await Run("bench-one-batch", "--batch", "2", "--input-len", "100000", "--output-len", "8", "--max-total-tokens", "8192", "--result-filename", "");
        Assert.Contains("skipping (2, 100000, 8)", output);
        Assert.Equal(1, code);
    }

    [Fact]
    public async Task Help_lists_the_commands()
    {
        (int code, string output, _) = await Run("--help");
        Assert.Equal(0, code);
        Assert.Contains("launch-server", output);
        Assert.Contains("send-one", output);
    }

    [Theory]
    [InlineData("launch-server")]
    [InlineData("serve")]
    public async Task Help_of_launch_server_lists_its_flags(string command)
    {
        (int code, string output, _) = await Run(command, "--help");
        Assert.Equal(0, code);
        foreach (string flag in new[] { "--model-path", "--port", "--mem-fraction-static", "--enable-metrics", "--config" }) Assert.Contains(flag, output);
    }

    [Theory]
    [InlineData("sglang: a command is missing; one of: launch-server, send-one")]
    [InlineData("sglang frob: unknown command 'frob'; one of: launch-server, send-one", "frob")]
    [InlineData("sglang launch-server: unrecognized option: --prot; did you mean --port?", "launch-server", "--prot", "1")]
    [InlineData("sglang launch-server: ambiguous option: --enable-m could match --enable-metrics, --enable-metrics-for-all-schedulers, --enable-mixed-chunk", "launch-server", "--enable-m")]
    [InlineData("sglang launch-server: --port: must be an integer, got 'x'", "launch-server", "--port", "x")]
    [InlineData("sglang serve: --nnodes: needs --dist-init-addr", "serve", "--nnodes", "2")]
    [InlineData("sglang launch-server: --config: must be a .yaml or .yml file, got 'a.txt'", "launch-server", "--config", "a.txt")]
    [InlineData("sglang send-one: --stream shows a single request; leave --batch-size at 1", "send-one", "--stream", "--batch-size", "2")]
    [InlineData("sglang send-one: --base-url: must be an http or https URL, got 'nowhere'", "send-one", "--base-url", "nowhere")]
    [InlineData("sglang send-one: --image is not supported", "send-one", "--image")]
    [InlineData("sglang profiler: --cpu and --no-cpu exclude each other", "profiler", "--cpu", "--no-cpu")]
    [InlineData("sglang profiler: nothing to record", "profiler", "--no-cpu", "--no-gpu")]
    [InlineData("sglang merge-traces: /no/such: there is no such file or directory", "merge-traces", "/no/such")]
    public async Task Bad_usage_is_exit_code_2_and_a_message(string message, params string[] arguments)
    {
        (int code, string output, string error) = await Run(arguments);
        Assert.Equal(2, code);
        Assert.StartsWith(message, error);
        Assert.Contains("--help' for what there is.", error);
        Assert.Empty(output);
    }

    [Fact]
    public async Task Send_one_says_when_there_is_no_server()
    {
        // Port 1 is never a server of ours.
        (int code, _, string error) = await Run("send-one", "--port", "1", "--host", "127.0.0.1");
        Assert.Equal(1, code);
        Assert.StartsWith("send-one: cannot reach http://127.0.0.1:1/: ", error);
    }

    [Theory]
    [InlineData("--api-key=")]
    [InlineData("--api-key", "")]
    public async Task An_empty_value_is_a_value(params string[] flag)
    {
        (int code, _, string error) = await Run(["send-one", "--port", "1", "--host", "127.0.0.1", .. flag]);
        Assert.StartsWith("send-one: cannot reach http://127.0.0.1:1/: ", error);
        Assert.Equal(1, code);
    }
}
