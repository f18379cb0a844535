using SgLang.Cli;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>`sglang send-one` against a running server.</summary>
public class SendOneTests(DemoServer demo)
{
    private const string Prompt = "My fellow Americans,";

    private static async Task<(int Code, string Output, string Error)> Run(Uri server, params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(["send-one", "--base-url", server.ToString(), "--max-new-tokens", "7", .. arguments], output, error);
        return (code, output.ToString().ReplaceLineEndings("\n"), error.ToString());
    }

    private async Task<string> Text() => (string)(await demo.PostOkAsync("/generate", $$"""{"text":"{{Prompt}}","sampling_params":{"max_new_tokens":7,"temperature":0} }"""))["text"]!;

    [Fact]
    public async Task It_prints_the_text_and_the_table()
    {
        (int code, string output, string error) = await Run(demo.Host.Address, "--prompt", Prompt);
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith($"{await Text()}\n\n+-------------+--------+------------+-----------------+\n| Latency (s) | Tokens | Acc Length | Speed (token/s) |\n", output);
    }

    [Fact]
    public async Task A_stream_prints_the_same_whether_events_are_cumulative_or_not()
    {
        ServerHost incremental = await demo.StartHostAsync(new ServerOptions { IncrementalStreamingOutput = true });
        foreach (Uri server in new[] { demo.Host.Address, incremental.Address })
        {
            (int code, string output, _) = await Run(server, "--prompt", Prompt, "--stream");
            Assert.Equal(0, code);
            Assert.StartsWith($"{await Text()}\n\n+--", output);
        }
    }

    [Theory]
    [InlineData("--batch-size", "3", "--different-prompts")]
    [InlineData("--random-input-len", "9", "--random-input-vocab-size", "100", "--batch-size", "2")]
    [InlineData("--return-logprob", "--stop", "a", "b")]
    public async Task Other_forms_are_answered(params string[] arguments)
    {
        (int code, string output, string error) = await Run(demo.Host.Address, arguments);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("| Latency (s) |", output);
    }

    [Fact]
    public async Task A_refusal_is_shown_and_is_exit_code_1()
    {
        (int code, _, string error) = await Run(demo.Host.Address, "--prompt", string.Concat(Enumerable.Repeat("word ", 5000)));
        Assert.Equal(1, code);
        Assert.Contains("answered 400: {\"error\":{\"message\":", error);
    }
}
