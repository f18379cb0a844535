using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Engine;
using SgLang.Engine.Tests;

namespace SgLang.Server.Tests.Endpoints;

public sealed class RequestEndpointsTests
{
    /// <summary>A model that rests before one of its tokens, long enough to be late by any measure of the tokens before.</summary>
    [Fact]
    public async Task A_token_that_came_late_is_a_stalled_phase_between_two_of_decoding()
    {
        const int steps = 12, lateStep = 8;
        TimeSpan rest = TimeSpan.FromSeconds(1.5);
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.StepId == lateStep) Thread.Sleep(rest);
            outcome.Ids(plan).Fill(7);
        });
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true }, NullLoggerFactory.Instance);
        using var client = new HttpClient { BaseAddress = host.Address };
        using var body = new StringContent($$"""{"input_ids":[1,2,3],"rid":"late","sampling_params":{"max_new_tokens":{{steps}},"temperature":0,"ignore_eos":true} }""", Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await client.PostAsync("/generate", body, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        JsonNode report = JsonNode.Parse(await client.GetStringAsync("/requests/late", TestContext.Current.CancellationToken))!;
        JsonNode[] phases = [.. report["phases"]!.AsArray().Select(phase => phase!).Where(phase => (string?)phase["phase"] != "sent")];
        Assert.Equal(["queued", "prefill", "decode", "stalled", "decode"], phases.Select(phase => (string?)phase["phase"]));
        Assert.True((double)phases[3]["to"]! - (double)phases[3]["from"]! >= rest.TotalSeconds * 0.99, report.ToJsonString());
        for (int i = 1; i < phases.Length; i++) Assert.Equal((double)phases[i - 1]["to"]!, (double)phases[i]["from"]!);
        JsonNode stalled = report["timeline"]!.AsArray().Single(happening => (string?)happening!["event"] == "stalled")!;
        Assert.Contains("s after the one before; 0 steps for others ran in between", (string?)stalled["text"]);
        Assert.Equal("finished", (string?)report["request"]!["state"]);
    }
}
