using System.IO.Compression;
using System.Net;
using System.Text.Json.Nodes;
using SgLang.Cli;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>Traces of a server that shares no storage: fetched, with its clock measured.</summary>
public sealed class MergeTracesTests(DemoServer server) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-remote");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        return (await CommandLine.RunAsync(arguments, output, error), output.ToString(), error.ToString());
    }

    private async Task<string> ProfileAsync(string id, string extra = "")
    {
        using HttpResponseMessage started = await server.Client.PostAsync("/start_profile", DemoServer.Json($$"""{"output_dir": "{{_directory}}", "num_steps": 2, "profile_id": "{{id}}", "activities": ["CPU"]{{extra}}}"""));
        Assert.Equal(HttpStatusCode.OK, started.StatusCode);
        await server.PostOkAsync("/generate", """{"text": "Merge", "sampling_params": {"max_new_tokens": 4, "temperature": 0, "ignore_eos": true}}""");
        await DemoServer.Eventually(() => (string)server.GetOkAsync("/profile_status").GetAwaiter().GetResult()["state"]! == "idle", "the window ends");
        return (await server.GetOkAsync("/profile_status"))["ranks"]![0]!["last"]!.ToJsonString();
    }

    [Fact]
    public async Task A_servers_traces_are_fetched_and_its_clock_is_measured()
    {
        await ProfileAsync("remote1");
        ServerHost locked = await server.StartHostAsync(new ServerOptions { ApiKey = "secret" });
        string target = Path.Combine(_directory, "out.trace.json.gz");

        (int code, string output, string error) = await Run("merge-traces", "--from", locked.Address.ToString(), "--profile-id", "remote1", "--api-key", "secret", "--output", target);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("1 traces, its clock is", output, StringComparison.Ordinal);
        using GZipStream gzip = new(File.OpenRead(target), CompressionMode.Decompress);
        JsonNode rank = JsonNode.Parse(gzip)!["merge_report"]!["ranks"]![0]!;
        Assert.Equal((0, 0, "remote1-TP-0.trace.json.gz"), ((int)rank["clock_ahead_ns"]!, (int)rank["clock_error_ns"]!, (string)rank["file"]!));

        (code, _, error) = await Run("merge-traces", "--from", locked.Address.ToString(), "--profile-id", "remote1", "--output", target);
        Assert.Equal(1, code);
        Assert.Contains("/profile_list answered 401", error, StringComparison.Ordinal);
        (code, _, error) = await Run("merge-traces", "--from", locked.Address.ToString(), "--profile-id", "nobody", "--api-key", "secret", "--output", target);
        Assert.Equal(1, code);
        Assert.Contains("profile nobody is not there", error, StringComparison.Ordinal);
        (code, _, error) = await Run("merge-traces", "--from", locked.Address.ToString(), server.Host.Address.ToString(), "--profile-id", "remote1", "--api-key", "secret", "--output", target);
        Assert.Equal(1, code);
        Assert.Contains("[TP00]: more than one trace is of this rank", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_clock_of_this_very_machine_is_right_within_its_own_bound()
    {
        long before = Now();
        JsonNode clock = await server.GetOkAsync("/profile_clock");
        Assert.InRange((long)clock["received_ns"]!, before, (long)clock["answered_ns"]!);
        Assert.InRange((long)clock["answered_ns"]!, before, Now());

        static long Now() => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;
    }

    [Fact]
    public async Task Perfettos_own_format_is_written_beside_the_json_on_request()
    {
        string last = await ProfileAsync("native", ", \"trace_format\": \"pftrace\"");
        Assert.Contains("native-TP-0.trace.json.gz", last, StringComparison.Ordinal);
        byte[] native = File.ReadAllBytes(Path.Combine(_directory, "native-TP-0.pftrace"));
        // Field 1 of a trace: a packet.
        Assert.Equal(0x0a, native[0]);
        using HttpResponseMessage wrong = await server.Client.PostAsync("/start_profile", DemoServer.Json("""{"trace_format": "xml"}"""));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("trace_format must be json or pftrace, got 'xml'", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
