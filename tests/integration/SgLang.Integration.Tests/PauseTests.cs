using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>/pause_generation and /continue_generation.</summary>
public class PauseTests(DemoServer demo)
{
    [Theory]
    [InlineData("""{"mode":"in_place"}""")]
    [InlineData("""{"mode":"retract"}""")]
    public async Task A_paused_request_goes_on_to_the_reference_s_tokens(string body)
    {
        Golden.Case golden = Golden.Cases[0];
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine is idle");
        JsonNode answer = await demo.PostOkAsync("/pause_generation", body);
        try
        {
            Assert.Equal("""{"message":"Generation paused successfully.","status":"ok"}""", answer.ToJsonString());
            Task<JsonNode> waiting = demo.PostOkAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"rid":"paused","sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},"temperature":0,"ignore_eos":true} }""");
            await DemoServer.Eventually(() => demo.Engine.Stats.NumWaiting == 1, "it waits");
            Assert.Equal(200, (int)(await demo.Client.GetAsync("/health")).StatusCode);
            Assert.Equal(200, (int)(await demo.Client.GetAsync("/health_generate")).StatusCode);
            await DemoServer.Eventually(() => demo.Engine.FindRequest("paused")?.Log.Counts[(int)Scheduling.WaitCause.Paused] > 0, "a plan has left it waiting");
            JsonNode report = await demo.GetOkAsync("/requests/paused");
            Assert.Contains("paused", report["waited"]!["latest"]![0]!["text"]!.ToString());

            // Paused before it ran, let go, and paused again while it runs.
            await demo.PostOkAsync("/continue_generation", "{}");
            await demo.PostOkAsync("/pause_generation", body);
            await demo.PostOkAsync("/continue_generation", """{"torch_empty_cache":true}""");
            Assert.Equal(golden.GreedyIds, (await waiting)["output_ids"]!.AsArray().Select(id => (int)id!));
        }
        finally
        {
            demo.Engine.Resume();
        }
    }

    [Fact]
    public async Task Without_a_mode_what_runs_is_aborted()
    {
        try
        {
            Task<JsonNode> running = demo.PostOkAsync("/generate", """{"text":"a","sampling_params":{"max_new_tokens":2000,"temperature":0,"ignore_eos":true}}""");
            await DemoServer.Eventually(() => demo.Engine.Stats.NumRunning == 1, "it runs");
            await demo.PostOkAsync("/pause_generation", "{}");
            Assert.Equal("abort", (string?)(await running)["meta_info"]!["finish_reason"]!["type"]);
        }
        finally
        {
            demo.Engine.Resume();
        }
    }

    [Theory]
    [InlineData("""{"mode":"later"}""", "mode must be one of abort, retract, in_place, got 'later'.")]
    [InlineData("""{"mode":5}""", "mode")]
    [InlineData("", "The request body is empty; a JSON object is expected.")]
    public async Task Bad_bodies_are_refused_and_pause_nothing(string body, string message)
    {
        (int status, JsonNode? answer) = await demo.PostAsync("/pause_generation", body);
        Assert.Equal(400, status);
        Assert.Contains(message, (answer!["error"]?["message"] ?? answer["message"])!.ToString());
        Assert.False(demo.Engine.Stats.IsPaused);
    }

    [Fact]
    public async Task It_is_the_administrator_s()
    {
        await using ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "user", AdminApiKey = "admin" });
        using HttpClient user = DemoServer.ClientOf(host, "user");
        Assert.Equal(401, (await DemoServer.PostAsync(user, "/pause_generation", "{}")).Status);
        Assert.Equal(401, (await DemoServer.PostAsync(user, "/continue_generation", "{}")).Status);
        Assert.False(demo.Engine.Stats.IsPaused);
    }
}
