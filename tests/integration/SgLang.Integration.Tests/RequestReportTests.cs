using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>/requests/{rid} of a request that had to wait: each reason with the budget it was short of, and a time line without gaps.</summary>
public sealed class RequestReportTests
{
    [Theory]
    [InlineData(1, 8192, "no_row", "every place is taken (--max-running-requests)")]
    [InlineData(8, 160, "no_memory", "tokens of KV memory")]
    public async Task A_wait_is_explained_by_its_planning_decisions(int maxRunning, int maxTokens, string cause, string text)
    {
        await using InferenceEngine engine = InferenceEngine.Start(new EngineOptions
        {
            ModelPath = DemoServer.ModelPath, Device = DeviceKind.Cpu, DType = ModelDType.Float32, NumThreads = 1, MaxRunningRequests = maxRunning, MaxTotalTokens = maxTokens, RandomSeed = 1,
        });
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true }, NullLoggerFactory.Instance);
        using HttpClient client = DemoServer.ClientOf(host);
        Task<(int Status, JsonNode? Body)>[] answers = [.. Enumerable.Range(0, 3).Select(i => DemoServer.PostAsync(client, "/generate",
            $$"""{"input_ids":[5,6,{{i}}],"rid":"w{{i}}","sampling_params":{"max_new_tokens":90,"temperature":0,"ignore_eos":true} }"""))];
        foreach ((int status, JsonNode? body) in await Task.WhenAll(answers)) Assert.True(status == 200, body?.ToJsonString());

        JsonNode[] reports = [.. (await Task.WhenAll(Enumerable.Range(0, 3).Select(i => client.GetStringAsync($"/requests/w{i}")))).Select(json => JsonNode.Parse(json)!)];
        foreach (JsonNode report in reports)
        {
            string?[] events = [.. report["timeline"]!.AsArray().Select(happening => (string?)happening!["event"])];
            Assert.Equal(("queued", "finished"), (events[0], events[^1]));
            foreach (string wanted in new[] { "admitted", "prefill", "first_token" }) Assert.Contains(wanted, events);
            JsonNode[] phases = [.. report["phases"]!.AsArray().Select(phase => phase!)];
            JsonNode[] inEngine = [.. phases.Where(phase => (string?)phase["phase"] != "sent")];
            Assert.Equal(0, (double)inEngine[0]["from"]!);
            for (int i = 1; i < inEngine.Length; i++) Assert.Equal((double)inEngine[i - 1]["to"]!, (double)inEngine[i]["from"]!);
            Assert.Equal(["queued", "prefill", "decode"], inEngine.Select(phase => (string?)phase["phase"]).Where(name => name != "stalled").Distinct());
            Assert.Single(phases, phase => (string?)phase["phase"] == "sent");
            Assert.Equal(1, (int)report["sent"]!["chunks"]!);
        }
        JsonNode last = reports.MaxBy(report => (double)report["request"]!["queue_time"]!)!;
        Assert.True((long)last["waited"]!["decisions"]! > 0, last.ToJsonString());
        Assert.True((long)last["waited"]!["by_cause"]![cause]! > 0, last["waited"]!.ToJsonString());
        JsonNode decision = last["waited"]!["latest"]!.AsArray().First(item => (string?)item!["cause"] == cause)!;
        Assert.Contains(text, (string?)decision["text"]);
        // Those that took the place run already, or were admitted by the same decision where all came at once.
        int ahead = (int)decision["running"]! + (int)decision["admitted"]!;
        Assert.True(ahead > 0 && (int)decision["waiting"]! > 0, decision.ToJsonString());
        foreach (string number in new[] { "needed_tokens", "remaining_total", "remaining_current", "remaining_input", "free_tokens", "evictable_tokens", "free_rows", "new_token_ratio" })
            Assert.NotNull(decision[number]);
    }
}
