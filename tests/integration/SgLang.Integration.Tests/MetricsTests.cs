using System.Net;
using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>/metrics, and what meta_info adds on a server that has it.</summary>
public sealed class MetricsTests(DemoServer demo)
{
    private const string Http = "{model_name=\"demo-model\",engine_type=\"unified\"";
    private const string Scheduler = Http + ",tp_rank=\"0\",pp_rank=\"0\",moe_ep_rank=\"0\"";

    /// <summary>The rows that spec/server.md 11 marks as P1, with the labels of their side.</summary>
    [Fact]
    public async Task Every_row_is_there_under_the_name_dashboards_know()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await demo.Client.GetAsync("/metrics")).StatusCode);
        using HttpClient client = await StartAsync();
        await DemoServer.StreamAsync(client, "/generate", """{"text":"a","stream":true,"sampling_params":{"max_new_tokens":5,"ignore_eos":true}}""");
        string text = await client.GetStringAsync("/metrics");
        string[] gauges =
        [
            "num_running_reqs", "num_queue_reqs", "num_grammar_queue_reqs", "num_used_tokens", "token_usage", "gen_throughput", "cache_hit_rate", "utilization", "new_token_ratio",
            "num_retracted_reqs", "is_cuda_graph", "decode_sum_seq_lens", "kv_available_tokens", "kv_evictable_tokens", "kv_used_tokens", "fwd_occupancy", "max_total_num_tokens",
            "page_size", "num_pages", "context_len", "engine_startup_time", "engine_load_weights_time", "startup_available_gpu_memory_gb",
        ];
        foreach (string name in gauges) Assert.Contains($"# TYPE sglang:{name} gauge\nsglang:{name}{Scheduler}}} ", text);
        string[] counters = ["num_retracted_requests_total", "num_retracted_input_tokens_total", "num_retracted_output_tokens_total", "evicted_tokens_total"];
        foreach (string name in counters) Assert.Contains($"# TYPE sglang:{name} counter\nsglang:{name}{Scheduler}}} ", text);
        foreach (string mode in new[] { "prefill_compute", "prefill_cache", "decode" }) Assert.Contains($"sglang:realtime_tokens_total{Scheduler},mode=\"{mode}\"}} ", text);
        foreach (string mode in new[] { "decode_cuda_graph", "decode_none", "prefill_none" }) Assert.Contains($"sglang:cuda_graph_passes_total{Scheduler},mode=\"{mode}\"}} ", text);
        foreach (string category in new[] { "prefill", "decode", "mixed" }) Assert.Contains($"sglang:forward_execution_seconds_total{Scheduler},category=\"{category}\"}} ", text);
        foreach (string name in new[] { "prompt_tokens_total", "generation_tokens_total", "num_requests_total", "num_aborted_requests_total" }) Assert.Contains($"sglang:{name}{Http}}} ", text);
        Assert.Contains($"sglang:cached_tokens_total{Http},cache_source=\"device\"}} ", text);
        string[] histograms =
        [
            "time_to_first_token_seconds", "e2e_request_latency_seconds", "prompt_tokens_histogram", "uncached_prompt_tokens_histogram", "generation_tokens_histogram",
        ];
        foreach (string name in histograms) Assert.Contains($"sglang:{name}_count{Http}}} 1\n", text);
        Assert.Contains($"sglang:inter_token_latency_seconds_count{Http}}} 4\n", text);
        Assert.Contains($"sglang:queue_time_seconds_count{Scheduler}}} 1\n", text);
        Assert.Contains($"sglang:eviction_duration_seconds_count{Scheduler}}} ", text);
        foreach (string stage in new[] { "request_process", "prefill_waiting", "prefill_forward", "decode_forward" })
            Assert.Contains($"sglang:per_stage_req_latency_seconds_count{Scheduler},stage=\"{stage}\"}} 1\n", text);
        Assert.Contains($"sglang:e2e_request_latency_seconds_bucket{Http},le=\"2400\"}} 1\n", text);
        Assert.Contains($"sglang:http_requests_total{Http},endpoint=\"/generate\",method=\"POST\"}} ", text);
        Assert.Contains($"sglang:http_responses_total{Http},endpoint=\"/generate\",status_code=\"200\",method=\"POST\"}} ", text);
        Assert.Contains($"sglang:http_requests_active{Http}}} 1\n", text);
        Assert.Contains($"sglang:max_total_num_tokens{Scheduler}}} {demo.Engine.Info.MaxTotalTokens}\n", text);
        Assert.DoesNotContain("sglang_", text);
    }

    [Fact]
    public async Task Requests_that_end_are_counted_and_health_checks_and_the_warm_up_are_not()
    {
        using HttpClient client = await StartAsync();
        Assert.Equal((0, 0, 0), await RequestsAsync(client));
        for (int i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health_generate")).StatusCode);
        Assert.Equal((0, 0, 0), await RequestsAsync(client));
        await DemoServer.PostAsync(client, "/generate", """{"text":["a","b"],"sampling_params":{"max_new_tokens":3,"ignore_eos":true}}""");
        await DemoServer.PostAsync(client, "/v1/completions", """{"prompt":"a","max_tokens":4,"ignore_eos":true}""");
        await DemoServer.PostAsync(client, "/generate", """{"text":"a","log_metrics":false,"sampling_params":{"max_new_tokens":3}}""");
        Assert.Equal((3, 0, 10), await RequestsAsync(client));
    }

    [Fact]
    public async Task A_client_that_vanishes_counts_as_an_aborted_request()
    {
        using HttpClient client = await StartAsync();
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = DemoServer.Json("""{"text":"a","stream":true,"sampling_params":{"max_new_tokens":2000,"ignore_eos":true}}""") })
        using (HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            Assert.True(await (await response.Content.ReadAsStreamAsync()).ReadAsync(new byte[16]) > 0);
        }

        DateTime end = DateTime.UtcNow + DemoServer.Deadline;
        while (await RequestsAsync(client) is not (1, 1, _)) Assert.True(DateTime.UtcNow < end, "the request is never counted as aborted");
    }

    [Fact]
    public async Task Meta_info_tells_when_each_stage_was_reached_where_there_are_metrics()
    {
        string[] fields = ["queue_time", "forward_entry_time", "prefill_finished_time", "request_received_ts", "api_server_dispatch_finish_ts", "request_finished_ts", "response_sent_to_client_ts", "decode_throughput"];
        const string body = """{"text":"My fellow","sampling_params":{"max_new_tokens":9,"temperature":0,"ignore_eos":true} """;
        JsonNode without = await demo.PostOkAsync("/generate", body + "}");
        foreach (string field in fields) Assert.False(without["meta_info"]!.AsObject().ContainsKey(field), field);

        using HttpClient client = await StartAsync();
        double before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        List<JsonNode> events = await DemoServer.StreamAsync(client, "/generate", body + ",\"stream\":true}");
        (_, JsonNode? whole) = await DemoServer.PostAsync(client, "/generate", body + "}");
        (_, JsonNode? chat) = await DemoServer.PostAsync(client, "/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"max_tokens":5,"ignore_eos":true,"return_meta_info":true}""");
        double after = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        Assert.False(events[0]["meta_info"]!.AsObject().ContainsKey("queue_time"));
        foreach (JsonNode meta in new[] { events[^1]["meta_info"]!, whole!["meta_info"]!, chat!["choices"]![0]!["meta_info"]! })
        {
            double At(string field) => (double?)meta[field] ?? throw new Xunit.Sdk.XunitException($"{field} is missing in {meta}");
            Assert.InRange(At("queue_time"), 0, after - before);
            Assert.True(At("decode_throughput") > 0);
            // In the order in which a request gets there; a millisecond is what the clock shows.
            double[] stages = [before - 0.002, At("request_received_ts"), At("forward_entry_time"), At("prefill_finished_time"), At("request_finished_ts"), At("response_sent_to_client_ts"), after + 0.002];
            Assert.Equal(stages.Order(), stages);
            Assert.InRange(At("api_server_dispatch_finish_ts"), At("request_received_ts"), At("response_sent_to_client_ts"));
        }
    }

    private async Task<HttpClient> StartAsync() => DemoServer.ClientOf(await demo.StartHostAsync(new ServerOptions { EnableMetrics = true }));

    /// <summary>Requests that ended, those of them that were aborted, and their tokens.</summary>
    private static async Task<(long Ended, long Aborted, long Generated)> RequestsAsync(HttpClient client)
    {
        string[] lines = (await client.GetStringAsync("/metrics")).Split('\n');
        return (Value("num_requests_total"), Value("num_aborted_requests_total"), Value("generation_tokens_total"));

        long Value(string name) => (long)double.Parse(lines.Single(line => line.StartsWith($"sglang:{name}{{", StringComparison.Ordinal)).Split(' ')[^1]);
    }
}
