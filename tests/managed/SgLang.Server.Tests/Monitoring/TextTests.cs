using System.Text;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Tests.Monitoring;

/// <summary>Texts that other programs parse: metrics and log lines.</summary>
public class TextTests
{
    [Fact]
    public void Metric_names_get_their_colon_and_labels_are_left_alone()
    {
        const string text = "# HELP sglang_a Help of sglang_a.\n# TYPE sglang_a gauge\nsglang_a{model=\"sglang_b\"} 1\nprocess_x 2\nsglang_c 3";
        Assert.Equal(
            "# HELP sglang:a Help of sglang_a.\n# TYPE sglang:a gauge\nsglang:a{model=\"sglang_b\"} 1\nprocess_x 2\nsglang:c 3",
            Encoding.UTF8.GetString(MetricsText.WithColons(Encoding.UTF8.GetBytes(text))));
        Assert.Empty(MetricsText.WithColons([]));
    }

    [Fact]
    public void Log_lines_begin_with_the_time_and_say_when_they_are_worse_than_information()
    {
        var console = new StringWriter();
        using (ILoggerFactory logs = ServerLog.Create("info", "info", console: console))
        {
            ILogger log = logs.CreateLogger("x");
            log.LogDebug("hidden");
            log.LogInformation("plain {Number}", 1.5);
            log.LogWarning("careful");
            log.LogError(new InvalidOperationException("why"), "failed");
        }
        string[] lines = console.ToString().Split(Environment.NewLine);
        Assert.Matches(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] plain 1\.5$", lines[0]);
        Assert.EndsWith("] WARNING: careful", lines[1]);
        Assert.EndsWith("] ERROR: failed", lines[2]);
        Assert.Contains("why", lines[3]);
    }

    [Fact]
    public void Lines_of_a_scheduler_name_it_beside_the_time()
    {
        var console = new StringWriter();
        using (ILoggerFactory logs = ServerLog.Create("info", "info", console: console))
        {
            ILogger log = logs.CreateLogger("x");
            using (log.BeginScope(new Dictionary<string, object> { [InferenceEngine.LogRankProperty] = "DP1 TP0" })) log.LogInformation("inside");
            log.LogInformation("outside");
        }
        string[] lines = console.ToString().Split(Environment.NewLine);
        Assert.Matches(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d DP1 TP0\] inside$", lines[0]);
        Assert.Matches(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] outside$", lines[1]);
    }

    [Fact]
    public void The_access_log_has_a_level_of_its_own()
    {
        var console = new StringWriter();
        using (ILoggerFactory logs = ServerLog.Create("info", "error", console: console))
        {
            logs.CreateLogger(ServerHost.AccessLogCategory).LogInformation("request");
            logs.CreateLogger("Microsoft.Hosting").LogInformation("framework");
            logs.CreateLogger("x").LogInformation("line");
        }
        Assert.EndsWith("] line" + Environment.NewLine, console.ToString());
        Assert.DoesNotContain("request", console.ToString());
        Assert.DoesNotContain("framework", console.ToString());
    }

    [Fact]
    public void The_log_also_goes_to_a_file()
    {
        string path = Path.Combine(TestDirectory.Create("sgl-log"), "server.log");
        using (ILoggerFactory logs = ServerLog.Create("info", "info", path, new StringWriter())) logs.CreateLogger("x").LogInformation("line");
        Assert.EndsWith("] line" + Environment.NewLine, File.ReadAllText(path));
    }

    private static GenerationRequest Request(params int[] ids) => new() { Rid = "r", InputIds = ids, Sampling = new SamplingParams { Stop = ["a\nb"] } };

    [Fact]
    public void Levels_of_the_request_log_add_detail()
    {
        Assert.Equal("Receive: rid=r, stream=false, prompt_tokens=2", RequestLogText.Receive(Request(1, 2), 0));
        Assert.Equal(
            "Receive: rid=r, stream=false, prompt_tokens=2, max_new_tokens=128, temperature=1, top_p=1, top_k=-1, min_p=0, frequency_penalty=0, presence_penalty=0, repetition_penalty=1, min_new_tokens=0, ignore_eos=false, seed=, stop=[\"a\\nb\"]",
            RequestLogText.Receive(Request(1, 2), 1));
        Assert.EndsWith(", input_ids=[1, 2]", RequestLogText.Receive(Request(1, 2), 2));
        int[] many = [.. Enumerable.Repeat(12345, 3000)];
        Assert.True(RequestLogText.Receive(Request(many), 2).Length < 2500);
        Assert.True(RequestLogText.Receive(Request(many), 3).Length > 3000 * 5);
    }

    [Fact]
    public void Finish_reasons_are_shown()
    {
        Assert.Equal("stop (5)", RequestLogText.Describe(FinishReason.StopToken(5)));
        Assert.Equal("stop (\"a\\nb\")", RequestLogText.Describe(FinishReason.StopString("a\nb")));
        Assert.Equal("length", RequestLogText.Describe(FinishReason.Length));
        Assert.Equal("abort (gone)", RequestLogText.Describe(FinishReason.Abort("gone")));
    }

    [Fact]
    public void Environment_variables_set_time_limits_and_switches()
    {
        var variables = new Dictionary<string, string> { ["SGLANG_WARMUP_TIMEOUT"] = "5", ["SGLANG_HEALTH_CHECK_TIMEOUT"] = "1.5", ["SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION"] = "false", ["SGL_FORCE_SHUTDOWN"] = "1", ["SGL_STALLED_READER_TIMEOUT"] = "60" };
        ServerOptions options = new ServerOptions().WithEnvironment(variables.GetValueOrDefault);
        Assert.Equal((5, 1.5, false, true), (options.WarmupTimeout.TotalSeconds, options.HealthCheckTimeout.TotalSeconds, options.HealthGeneration, options.ForceShutdown));
        Assert.Equal(60, options.StalledReaderTimeout.TotalSeconds);
        Assert.Equal(new ServerOptions { LaunchArguments = options.LaunchArguments }, new ServerOptions { LaunchArguments = options.LaunchArguments }.WithEnvironment(_ => null));
        Assert.Equal("SGLANG_WARMUP_TIMEOUT must be a number of seconds above 0, got 'soon'.",
            Assert.Throws<ServerStartException>(() => new ServerOptions().WithEnvironment(name => name == "SGLANG_WARMUP_TIMEOUT" ? "soon" : null)).Message);
        Assert.Equal("SGL_FORCE_SHUTDOWN must be true or false, got 'maybe'.",
            Assert.Throws<ServerStartException>(() => new ServerOptions().WithEnvironment(name => name == "SGL_FORCE_SHUTDOWN" ? "maybe" : null)).Message);
    }
}
