using Microsoft.Extensions.Logging;
using SgLang.Core;

namespace SgLang.Engine.Tests;

public sealed class WatchdogTests
{
    [Fact]
    public async Task An_engine_whose_step_hangs_is_given_up_with_a_report_and_its_requests_are_answered()
    {
        using var release = new ManualResetEventSlim();
        var log = new CollectingLogger();
        await using InferenceEngine engine = ScriptedEngine.Start((_, _) => release.Wait(),
            new EngineOptions { ModelPath = "scripted", PageSize = 16, SoftWatchdogTimeoutSeconds = 0.1, WatchdogTimeoutSeconds = 0.6, FlightRecorder = new() { Seconds = 0 } }, logger: log);
        Collected answer = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("hangs")));
        Assert.Equal((FinishKind.Abort, 500), (answer.Finish.Kind, answer.Finish.StatusCode));
        Assert.Contains("waiting for a rank, step 1", answer.Finish.Text);
        Assert.IsType<EngineStalledException>(engine.Fault);
        string warning = Assert.Single(log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        string critical = Assert.Single(log.Lines, line => line.StartsWith("Critical", StringComparison.Ordinal));
        foreach (string report in new[] { warning, critical })
        {
            Assert.Contains("waiting for a rank, step 1", report);
            Assert.Contains("sgl-engine", report);
            Assert.Contains("scripted", report);
        }
        Assert.Equal(503, Assert.Throws<RequestRejectedException>(() => engine.Submit(ScriptedEngine.Request("late"))).StatusCode);
        release.Set();
    }

    [Fact]
    public async Task An_engine_that_works_or_waits_for_work_is_left_alone()
    {
        var log = new CollectingLogger();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            Thread.Sleep(2);
            outcome.Ids(plan).Fill(5);
        }, new EngineOptions { ModelPath = "scripted", PageSize = 16, SoftWatchdogTimeoutSeconds = 0.5, WatchdogTimeoutSeconds = 1 }, logger: log);
        await Task.Delay(1300);
        Collected answer = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("works", maxNewTokens: 600)));
        Assert.Equal(FinishKind.Length, answer.Finish.Kind);
        Assert.True(engine.IsAlive);
        Assert.DoesNotContain(log.Lines, line => line.Contains("No step has ended", StringComparison.Ordinal));
    }

    private sealed class CollectingLogger : ILogger
    {
        private readonly Lock _gate = new();
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines
        {
            get
            {
                lock (_gate) return [.. _lines];
            }
        }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_gate) _lines.Add($"{logLevel}: {formatter(state, exception)}");
        }
    }
}
