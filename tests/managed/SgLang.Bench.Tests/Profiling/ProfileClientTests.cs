using System.Text.Json.Nodes;
using SgLang.Bench.Http;
using SgLang.Bench.Profiling;
using SgLang.Bench.Tests.Serving;

namespace SgLang.Bench.Tests.Profiling;

/// <summary>The client's side of a window against scripted answers.</summary>
public class ProfileClientTests
{
    private static readonly CancellationToken s_never = CancellationToken.None;

    [Fact]
    public async Task A_window_is_followed_to_its_files_with_a_bar()
    {
        await using MockServer server = await Start();
        using HttpClient http = new();
        ProfileClient client = new(http, server.Address);
        StringWriter output = new(), bar = new();
        await client.AnnounceAndBeginAsync(new ProfileRequest { NumSteps = 4, OutputDirectory = "/tmp/none-of-ours", StartAfterSteps = 2, Stages = ["decode"], ByStage = true }, output, s_never);
        JsonNode body = JsonNode.Parse(server.Requests.Single(r => r.Path == "/start_profile").Body)!;
        Assert.Equal((4, 2, "decode"), ((int)body["num_steps"]!, (int)body["start_after_steps"]!, (string)body["profile_stages"]![0]!));
        Assert.Null(body["start_step"]);

        int asked = 0;
        server.ProfileStatus = () => asked++ switch
        {
            0 => Running(client.OutputDirectory, 0, "armed"),
            1 => Running(client.OutputDirectory, 3, "running"),
            2 => Running(client.OutputDirectory, 4, "stopping"),
            _ => Ended(client.OutputDirectory),
        };
        Assert.True(await client.WaitAsync(output, TextWriter.Null, bar, s_never));
        Assert.Equal(
            ["", $"[{new string('.', 30)}] 0/4 steps, waiting for the first step", $"[{new string('#', 22)}{new string('.', 8)}] 3/4 steps, recording", $"[{new string('#', 30)}] 4/4 steps, writing files", $"[{new string('#', 30)}] 4/4 steps, done"],
            bar.ToString().TrimEnd().Split('\r').Select(line => line.TrimEnd()));
        Assert.Contains("a.trace.json.gz", output.ToString());
        Assert.Contains("Steps recorded: 4 (7 to 10). Records dropped: 0.", output.ToString());
    }

    [Fact]
    public async Task Stopping_ends_an_open_window_and_leaves_one_of_somebody_else_alone()
    {
        await using MockServer server = await Start();
        using HttpClient http = new();
        ProfileClient client = new(http, server.Address);
        await client.BeginAsync(new ProfileRequest(), s_never);
        server.ProfileStatus = () => Running("/tmp/other", 3, "running");
        await client.StopAsync(s_never);
        server.ProfileStatus = () => Ended(client.OutputDirectory);
        await client.StopAsync(s_never);
        Assert.DoesNotContain("/stop_profile", server.Requests.Select(r => r.Path));
        server.ProfileStatus = () => Running(client.OutputDirectory, 3, "running");
        await client.StopAsync(s_never);
        Assert.Contains("/stop_profile", server.Requests.Select(r => r.Path));
    }

    [Fact]
    public async Task Every_worker_is_named_and_one_that_is_not_there_does_not_end_the_run()
    {
        await using MockServer server = await Start();
        using ServerApi api = new(server.Address);
        StringWriter output = new();
        ServerProfiler profiler = new(new ProfileRequest { NumSteps = 2 }, [new("Decode-0", server.Address), new("Decode-1", new Uri("http://127.0.0.1:1"))], api, output);
        await profiler.StartAsync(s_never);
        await profiler.StopAsync(s_never);
        Assert.Contains($"Profiler started for Decode-0 worker at {server.Address}", output.ToString());
        Assert.Contains("Failed to start profiler for Decode-1 worker at http://127.0.0.1:1/: ", output.ToString());
        // A server without /profile_status ends a window of a number of steps by itself.
        Assert.DoesNotContain("/stop_profile", server.Requests.Select(r => r.Path));
    }

    [Theory]
    [InlineData(5, false, 0, 5)]
    [InlineData(5, true, 0, 10)]
    [InlineData(5, true, 1, 5)]
    [InlineData(null, true, 2, 10)]
    [InlineData(null, false, 0, null)]
    public void The_bar_ends_with_the_steps_of_all_stages(int? steps, bool byStage, int stages, int? total) =>
        Assert.Equal(total, new ProfileRequest { NumSteps = steps, ByStage = byStage, Stages = [.. new[] { "prefill", "decode" }.Take(stages)] }.TotalSteps);

    private static Task<MockServer> Start() => MockServer.StartAsync((context, _) =>
    {
        context.Response.StatusCode = 404;
        return Task.CompletedTask;
    });

    private static string Running(string directory, int steps, string state) =>
        $$"""{"state": "{{state}}", "ranks": [{"state": "{{state}}", "output_dir": "{{directory}}", "steps_recorded": {{steps}}, "last": {"output_dir": "/tmp/earlier"} }]}""";

    private static string Ended(string directory) =>
        $$"""{"state": "idle", "ranks": [{"state": "idle", "last": {"output_dir": "{{directory}}", "files": ["a.trace.json.gz"], "steps_recorded": 4, "first_step": 7, "last_step": 10, "records_dropped": 0} }]}""";
}
