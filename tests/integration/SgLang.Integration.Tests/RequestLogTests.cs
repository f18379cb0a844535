using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>--log-requests with its levels, formats and targets, on requests that really ran.</summary>
public sealed class RequestLogTests(DemoServer demo)
{
    private async Task<string[]> LinesAsync(ServerOptions options, string body)
    {
        string folder = Directory.CreateTempSubdirectory("sgl-requests").FullName;
        try
        {
            await using (ServerHost host = await demo.StartHostAsync(options with { LogRequests = true, LogRequestsTargets = [folder] }))
            {
                using HttpClient client = DemoServer.ClientOf(host);
                (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", body);
                Assert.True(status == 200, $"{answer}");
            }
            return await File.ReadAllLinesAsync(Assert.Single(Directory.GetFiles(folder)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(0, false, false)]
    [InlineData(1, true, false)]
    [InlineData(2, true, true)]
    [InlineData(3, true, true)]
    public async Task Json_lines_have_what_their_level_promises(int level, bool hasSampling, bool hasTexts)
    {
        string[] lines = await LinesAsync(new ServerOptions { LogRequestsLevel = level, LogRequestsAsJson = true },
            """{"text":"Hello\nworld","rid":"logged","sampling_params":{"temperature":0,"max_new_tokens":3,"ignore_eos":true}}""");
        JsonNode[] events = [.. lines.Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(["request.received", "request.finished"], events.Select(e => (string?)e["event"]));
        foreach (JsonNode happened in events)
        {
            Assert.Equal("logged", (string?)happened["rid"]);
            Assert.True(DateTimeOffset.TryParse((string?)happened["timestamp"], out _));
            Assert.Equal(hasSampling, happened["obj"]!["sampling_params"] is not null);
            Assert.Equal(hasTexts, happened["obj"]!["input_ids"] is not null);
        }
        if (hasSampling) Assert.Equal((3, 0.0), ((int)events[0]["obj"]!["sampling_params"]!["max_new_tokens"]!, (double)events[0]["obj"]!["sampling_params"]!["temperature"]!));
        JsonNode output = events[1]["out"]!;
        Assert.Equal((3, "length"), ((int)output["meta_info"]!["completion_tokens"]!, (string?)output["meta_info"]!["finish_reason"]!["type"]));
        Assert.Equal(hasTexts, output["text"] is not null);
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public async Task A_long_text_is_cut_below_level_3(int level, bool isCut)
    {
        string[] lines = await LinesAsync(new ServerOptions { LogRequestsLevel = level, LogRequestsAsJson = true },
            """{"input_ids":[5,6],"sampling_params":{"regex":"(the cat ){400}","max_new_tokens":2000,"temperature":0}}""");
        string text = (string)JsonNode.Parse(lines[1])!["out"]!["text"]!;
        Assert.Equal(isCut, text.Contains(" ... "));
    }

    [Fact]
    public async Task Text_lines_are_dated_and_one_a_request_and_event()
    {
        string[] lines = await LinesAsync(new ServerOptions(), """{"text":"a\nb","rid":"t","sampling_params":{"temperature":0,"max_new_tokens":2}}""");
        Assert.Equal(2, lines.Length);
        Assert.Matches(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] Receive: rid=t, stream=false, prompt_tokens=\d+, max_new_tokens=2,", lines[0]);
        Assert.Matches(@"\] Finish: rid=t, prompt_tokens=\d+, completion_tokens=\d+, .*text=", lines[1]);
    }

    [Fact]
    public async Task A_request_may_ask_not_to_be_logged()
    {
        string folder = Directory.CreateTempSubdirectory("sgl-requests").FullName;
        await using (ServerHost host = await demo.StartHostAsync(new ServerOptions { LogRequests = true, LogRequestsTargets = [folder] }))
        {
            using HttpClient client = DemoServer.ClientOf(host);
            Assert.Equal(200, (await DemoServer.PostAsync(client, "/generate", """{"text":"a","no_logs":true,"sampling_params":{"max_new_tokens":1}}""")).Status);
        }
        Assert.All(Directory.GetFiles(folder), file => Assert.Equal("", File.ReadAllText(file)));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_to_stops_the_start()
    {
        string file = Path.GetTempFileName();
        ServerStartException error = await Assert.ThrowsAsync<ServerStartException>(() => demo.StartHostAsync(new ServerOptions { LogRequests = true, LogRequestsTargets = [file] }));
        Assert.StartsWith($"--log-requests-target must be stdout or a folder that can be written to, got '{file}': ", error.Message);
        File.Delete(file);
    }
}
