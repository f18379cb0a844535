using System.Text.Json;
using SgLang.Cli;

namespace SgLang.Integration.Tests;

/// <summary>`sglang bench-serving` against a running server.</summary>
public class BenchServingTests(DemoServer demo)
{
    [Theory]
    [InlineData("sglang")]
    [InlineData("sglang-oai")]
    [InlineData("sglang-oai-chat")]
    public async Task Every_token_asked_for_is_counted(string backend)
    {
        string file = Path.Combine(TestDirectory.Create("sgl-bench"), "r.jsonl");
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(
            ["bench-serving", "--backend", backend, "--base-url", demo.Host.Address.ToString(), "--num-prompt", "5", "--sharegpt-output-len", "6", "--sharegpt-context-len", "200", "--flush-cache",
                "--request-rate", "200", "--output-file", file], output, error);
        Assert.Equal((0, ""), (code, error.ToString()));
        Assert.Contains("Successful requests:                     5         ", output.ToString());
        Assert.Contains("Total generated tokens:                  30        ", output.ToString());
        JsonElement line = JsonDocument.Parse(File.ReadAllText(file)).RootElement;
        // The server counts in every chunk, so times of single tokens are known; how many share the first chunk is not.
        Assert.InRange(line.GetProperty("samples").GetProperty("itl").GetInt32(), 1, 25);
        Assert.Equal(5, line.GetProperty("samples").GetProperty("tpot").GetInt32());
        Assert.Equal(0, line.GetProperty("failed_requests").GetInt32());
        if (backend != "sglang-oai-chat") Assert.Equal(line.GetProperty("total_input_tokens").GetInt32(), line.GetProperty("server_input_tokens").GetInt32());
    }
}
