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
        await using InferenceEngine engine = ScriptedEngine.Start((_, _) => release.Wait(), Options(soft: null, hard: 2), logger: log);
        Collected answer = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("hangs")));
        Assert.Equal((FinishKind.Abort, 500), (answer.Finish.Kind, answer.Finish.StatusCode));
        Assert.Contains("waiting for a rank, step 1", answer.Finish.Text);
        Assert.IsType<EngineStalledException>(engine.Fault);
        string critical = Assert.Single(log.Lines, line => line.StartsWith("Critical", StringComparison.Ordinal));
        Assert.Contains("waiting for a rank, step 1", critical);
        AssertNamesThreads(critical);
        Assert.Equal(503, Assert.Throws<RequestRejectedException>(() => engine.Submit(ScriptedEngine.Request("late"))).StatusCode);
        release.Set();
    }

    [Fact]
    public async Task The_soft_limit_only_reports()
    {
        using var release = new ManualResetEventSlim();
        var log = new CollectingLogger();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            release.Wait();
            outcome.Ids(plan).Fill(5);
        }, Options(soft: 0.1, hard: 300), logger: log);
        Task<Collected> reading = Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("hangs")));
        while (!log.Lines.Any(line => line.StartsWith("Warning", StringComparison.Ordinal))) await Task.Delay(10, TestContext.Current.CancellationToken);
        release.Set();
        Assert.Equal(FinishKind.Length, (await reading).Finish.Kind);
        Assert.True(engine.IsAlive);
        string warning = log.Lines.First(line => line.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains("No step has ended", warning);
        AssertNamesThreads(warning);
    }

    private static EngineOptions Options(double? soft, double hard) =>
        new() { ModelPath = "scripted", PageSize = 16, SoftWatchdogTimeoutSeconds = soft, WatchdogTimeoutSeconds = hard, FlightRecorder = new() { Seconds = 0 } };

    private static void AssertNamesThreads(string report)
    {
        Assert.Contains("sgl-engine", report);
        Assert.Contains("scripted", report);
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
