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
    public async Task Metrics_of_replicas_are_told_apart_by_their_rank()
    {
        await using ServerProcess server = ServerProcess.Start(
            "launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--port", "0", "--max-total-tokens", "4096", "--num-threads", "2", "--dp-size", "2",
            "--enable-metrics", "--skip-server-warmup", "--served-model-name", "m");
        using HttpClient client = new() { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        foreach (int rank in new[] { 0, 1, 1 })
            Assert.Equal(200, (await DemoServer.PostAsync(client, "/generate", $$"""{"text": "a", "routed_dp_rank": {{rank}}, "sampling_params": {"max_new_tokens": 4, "ignore_eos": true} }""")).Status);
        string text = await client.GetStringAsync("/metrics");
        const string Labels = "model_name=\"m\",engine_type=\"unified\",tp_rank=\"0\",pp_rank=\"0\",moe_ep_rank=\"0\"";
        for (int rank = 0; rank < 2; rank++)
        {
            Assert.Contains($"sglang:queue_time_seconds_count{{{Labels},dp_rank=\"{rank}\"}} {rank + 1}\n", text);
            Assert.Contains($"sglang:realtime_tokens_total{{{Labels},dp_rank=\"{rank}\",mode=\"decode\"}} {4 * (rank + 1)}\n", text);
            Assert.Contains($"sglang:num_running_reqs{{{Labels},dp_rank=\"{rank}\"}} 0\n", text);
            Assert.Contains($"sglang:per_stage_req_latency_seconds_count{{{Labels},dp_rank=\"{rank}\",stage=\"decode_forward\"}} {rank + 1}\n", text);
        }
        Assert.Contains($"sglang:num_grammar_queue_reqs{{{Labels}}} 0\n", text);
    }

    [Fact]
    public async Task The_load_of_experts_is_shown_where_it_is_asked_for()
    {
        string model = Path.GetFullPath(Path.Combine(DemoServer.ModelPath, "..", "..", "tests", "data", "models", "mixtral"));
        await using ServerProcess server = ServerProcess.Start(
            "launch-server", "--model-path", model, "--device", "cpu", "--port", "0", "--max-total-tokens", "2048", "--num-threads", "2", "--tp-size", "2", "--ep-size", "2",
            "--moe-a2a-backend", "native", "--enable-metrics", "--enable-expert-distribution-metrics", "--skip-tokenizer-init", "--skip-server-warmup", "--served-model-name", "m");
        using HttpClient client = new() { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        Assert.Equal(200, (await DemoServer.PostAsync(client, "/generate", """{"input_ids": [1, 2, 3, 4, 5], "sampling_params": {"max_new_tokens": 4, "ignore_eos": true} }""")).Status);
        JsonNode load = JsonNode.Parse(await client.GetStringAsync("/server_info"))!["internal_states"]![0]!["expert_distribution"]!;
        long[] layers = [.. load["tokens_by_layer"]!.AsObject().Select(layer => layer.Value!.AsArray().Sum(tokens => (long)tokens!))];
        long[] ranks = [.. load["tokens_by_ep_rank"]!.AsArray().Select(tokens => (long)tokens!)];
        // Five tokens of the prompt and three of the answer, two experts each.
        Assert.All(layers, tokens => Assert.Equal(16, tokens));
        Assert.Equal((2, layers.Sum()), (ranks.Length, ranks.Sum()));
        JsonNode rows = JsonNode.Parse(await client.GetStringAsync("/server_info"))!["internal_states"]![0]!["expert_exchange"]!;
        long[] sent = [.. rows["rows_sent_by_ep_rank"]!.AsArray().Select(count => (long)count!)], received = [.. rows["rows_received_by_ep_rank"]!.AsArray().Select(count => (long)count!)];
        // A token goes once to a rank that has one or both of its experts.
        Assert.Equal((2, 2, sent.Sum()), (sent.Length, received.Length, received.Sum()));
        Assert.InRange(received.Sum(), 8 * layers.Length, 16 * layers.Length);
        for (int rank = 0; rank < 2; rank++) Assert.InRange(received[rank], 1, ranks[rank]);
        string text = await client.GetStringAsync("/metrics");
        for (int rank = 0; rank < 2; rank++)
            Assert.Contains($"sglang:expert_tokens_total{{model_name=\"m\",engine_type=\"unified\",dp_rank=\"0\",moe_ep_rank=\"{rank}\"}} {ranks[rank]}\n", text);
        Assert.Contains("sglang:expert_balancedness{", text);
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
