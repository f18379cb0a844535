using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>The page for people, and what it is made from: /stats, /requests, /requests/{rid}.</summary>
public partial class PageTests(DemoServer demo)
{
    [Fact]
    public async Task The_page_is_one_document_that_asks_only_this_server()
    {
        using HttpResponseMessage response = await demo.Client.GetAsync("/");
        Assert.Equal((HttpStatusCode.OK, "text/html"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Contains("connect-src 'self'", response.Headers.GetValues("Content-Security-Policy").Single());
        string page = await response.Content.ReadAsStringAsync();
        foreach (string part in new[] { "class Chart", "prefers-color-scheme: dark", "/v1/chat/completions", "/start_profile", "/requests", "id=\"key-dialog\"" }) Assert.Contains(part, page);
        Assert.DoesNotContain("/*script*/", page);
        Assert.Empty(Foreign().Matches(page));
    }

    [Fact]
    public async Task A_request_s_time_line_can_be_asked_for_by_its_id()
    {
        await demo.PostOkAsync("/generate", """{"text":"The capital city of France is","rid":"page/line 1","sampling_params":{"max_new_tokens":5,"temperature":0,"ignore_eos":true}}""");
        JsonNode report = await demo.GetOkAsync("/requests/" + Uri.EscapeDataString("page/line 1"));
        JsonNode request = report["request"]!;
        Assert.Equal(("page/line 1", "finished", "length"), ((string?)request["rid"], (string?)request["state"], (string?)request["finish_reason"]));
        Assert.Equal(5, (int?)request["output_tokens"]);
        string?[] events = [.. report["timeline"]!.AsArray().Select(happening => (string?)happening!["event"])];
        Assert.Equal(("queued", "finished"), (events[0], events[^1]));
        Assert.Contains("first_token", events);
        JsonNode[] phases = [.. report["phases"]!.AsArray().Where(phase => (string?)phase!["phase"] != "sent").Select(phase => phase!)];
        for (int i = 1; i < phases.Length; i++) Assert.Equal((double)phases[i - 1]["to"]!, (double)phases[i]["from"]!);
        Assert.NotNull(report["waited"]!["decisions"]);

        JsonNode list = await demo.GetOkAsync("/requests?limit=5");
        Assert.Contains(list["requests"]!.AsArray(), item => (string?)item!["rid"] == "page/line 1");
        using HttpResponseMessage unknown = await demo.Client.GetAsync("/requests/nobody");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        using HttpResponseMessage bad = await demo.Client.GetAsync("/requests?limit=0");
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task Health_checks_are_not_among_the_requests()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions());
        using HttpClient client = DemoServer.ClientOf(host);
        // Of an idle engine, which a health check then proves by a token.
        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "the engine is idle");
        long generated = demo.Engine.Stats.GeneratedTokens, requests = demo.Engine.Stats.NumRequests;
        using HttpResponseMessage health = await client.GetAsync("/health_generate");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
        await DemoServer.Eventually(() => demo.Engine.Stats.GeneratedTokens > generated, "the check's token is counted");
        JsonNode stats = JsonNode.Parse(await client.GetStringAsync("/stats"))!;
        Assert.Equal(requests, (long)stats["requests"]!);
        Assert.DoesNotContain("HEALTH_CHECK", await client.GetStringAsync("/requests?limit=1000"));
    }

    [Fact]
    public async Task Stats_count_what_was_served()
    {
        JsonNode before = await demo.GetOkAsync("/stats");
        await demo.PostOkAsync("/generate", """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":4,"temperature":0,"ignore_eos":true}}""");
        JsonNode after = await demo.GetOkAsync("/stats");
        for (int i = 0; i < 200 && (long)after["generated_tokens"]! < (long)before["generated_tokens"]! + 4; i++)
        {
            await Task.Delay(10);
            after = await demo.GetOkAsync("/stats");
        }
        Assert.True((long)after["generated_tokens"]! >= (long)before["generated_tokens"]! + 4, after.ToJsonString());
        Assert.True((double)after["time_to_first_token"]!["p50"]! > 0);
    }

    [Fact]
    public async Task The_page_needs_no_key_and_what_it_shows_does()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "user", AdminApiKey = "admin" });
        using HttpClient nobody = DemoServer.ClientOf(host), user = DemoServer.ClientOf(host, "user"), admin = DemoServer.ClientOf(host, "admin");
        async Task<HttpStatusCode> Get(HttpClient client, string path)
        {
            using HttpResponseMessage response = await client.GetAsync(path);
            return response.StatusCode;
        }
        Assert.Equal(HttpStatusCode.OK, await Get(nobody, "/"));
        Assert.Equal(HttpStatusCode.Unauthorized, await Get(nobody, "/stats"));
        Assert.Equal(HttpStatusCode.OK, await Get(user, "/stats"));
        Assert.Equal(HttpStatusCode.Unauthorized, await Get(user, "/requests"));
        Assert.Equal(HttpStatusCode.Unauthorized, await Get(user, "/requests/x"));
        Assert.Equal(HttpStatusCode.OK, await Get(admin, "/requests"));
    }

    [GeneratedRegex("""(src|href)\s*=|url\(|@import|https?://""")]
    private static partial Regex Foreign();
}
