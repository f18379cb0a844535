using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>`sglang launch-server` with several ranks and replicas gives the answers of one.</summary>
public sealed class RankServerTests(DemoServer demo)
{
    private const string Prompt = """{"text": "Call me Ishmael.", "sampling_params": {"temperature": 0, "max_new_tokens": 12, "ignore_eos": true}}""";

    [Theory]
    [InlineData("--tp-size", "2", "--dp-size", "2")]
    [InlineData("--tp-size", "4")]
    [InlineData("--tp-size", "2", "--pp-size", "2")]
    public async Task Ranks_together_answer_as_one_does(params string[] layout)
    {
        JsonNode expected = await demo.PostOkAsync("/generate", Prompt);
        await using ServerProcess server = ServerProcess.Start(
            ["launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--dtype", "float32", "--port", "0", "--max-total-tokens", "4096", "--num-threads", "2", .. layout]);
        using HttpClient client = new() { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        for (int i = 0; i < 3; i++)
        {
            (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", Prompt);
            Assert.True(status == 200, $"{status}: {answer}");
            Assert.Equal((string?)expected["text"], (string?)answer!["text"]);
        }
        JsonNode info = JsonNode.Parse(await client.GetStringAsync("/server_info"))!;
        for (int i = 0; i < layout.Length; i += 2) Assert.Equal(int.Parse(layout[i + 1]), (int?)info[layout[i][2..].Replace('-', '_')]);
        Assert.Equal((int?)info["dp_size"], info["internal_states"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_replica_can_be_named_in_the_body_or_a_header()
    {
        (int status, JsonNode? answer) = await DemoServer.PostAsync(demo.Client, "/generate", """{"text": "a", "routed_dp_rank": 1}""");
        Assert.Equal(400, status);
        Assert.Contains("routed_dp_rank must be in [0, 0], got 1.", answer!.ToJsonString());
        foreach ((string value, int expected) in new[] { ("0", 200), ("1", 400), ("x", 400) })
        {
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions")
            {
                Content = DemoServer.Json("""{"model": "demo-model", "prompt": "a", "max_tokens": 1}"""),
                Headers = { { "X-Data-Parallel-Rank", value } },
            };
            using HttpResponseMessage response = await demo.Client.SendAsync(request);
            Assert.Equal(expected, (int)response.StatusCode);
        }
    }
}
