using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>The program's standard output, where it is read late.</summary>
public sealed class LogOutputTests
{
    private const int Requests = 3000;

    /// <summary>A pipe holds 64 KiB, and so many lines are several times that.</summary>
    [Theory]
    [InlineData()]
    [InlineData("--log-requests", "--log-requests-format", "json")]
    public async Task Requests_go_on_while_nobody_reads_the_log_and_no_line_is_lost(params string[] flags)
    {
        using var process = new Process
        {
            StartInfo = ServerProcess.Command([], [],
                ["launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--num-threads", "1", "--max-total-tokens", "8192", "--port", "0", .. flags]),
        };
        process.Start();
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync();
            Uri? address = null;
            string line = "";
            while (!line.EndsWith(ServerHost.ReadyLine, StringComparison.Ordinal))
            {
                line = await process.StandardOutput.ReadLineAsync().WaitAsync(DemoServer.Deadline) ?? throw new InvalidOperationException(await errors);
                if (line.IndexOf("Listening on ", StringComparison.Ordinal) is var at and >= 0) address = new Uri(line[(at + "Listening on ".Length)..]);
            }
            using var client = new HttpClient { BaseAddress = address, Timeout = DemoServer.Deadline };
            for (int i = 0; i < Requests; i++)
            {
                using HttpResponseMessage answer = await client.GetAsync("/model_info");
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
            (int status, JsonNode? generated) = await DemoServer.PostAsync(client, "/generate", """{"text":"a","rid":"late","sampling_params":{"max_new_tokens":200,"ignore_eos":true}}""");
            Assert.True(status == 200, $"{generated}");
            Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health")).StatusCode);

            using (Process kill = Process.Start("kill", [process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])!) await kill.WaitForExitAsync();
            string rest = await process.StandardOutput.ReadToEndAsync().WaitAsync(DemoServer.Deadline);
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, rest[^Math.Min(rest.Length, 2000)..] + await errors);
            string[] lines = rest.Split('\n');
            Assert.Equal(Requests, lines.Count(written => written.Contains("\"GET /model_info HTTP/1.1\" 200 OK")));
            Assert.Contains(lines, written => written.Contains("Decode batch"));
            Assert.Equal(flags.Length > 0 ? 2 : 0, lines.Count(written => written.StartsWith('{') && written.Contains("\"rid\":\"late\"")));
            Assert.Contains("All requests have finished. Goodbye.", rest);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
