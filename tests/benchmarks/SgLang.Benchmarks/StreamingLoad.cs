using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;
using SgLang.Server;

namespace SgLang.Benchmarks;

/// <summary>
/// 1,000 streams of one server over a scripted model, read by another process. A token's id tells the step that drew it, hence when that was and whether any is
/// lost or out of order.
/// </summary>
internal static class StreamingLoad
{
    public const int Streams = 1000;

    public static async Task<int> RunAsync()
    {
        await MeasureAsync("warm-up", tokens: 30, stepMilliseconds: 20, quiet: true);
        bool isWhole = await MeasureAsync("a step every 40 ms, 25,000 tokens/s", tokens: 300, stepMilliseconds: 40);
        isWhole &= await MeasureAsync("a step every 20 ms, 50,000 tokens/s", tokens: 300, stepMilliseconds: 20);
        isWhole &= await MeasureAsync("as fast as it goes", tokens: 300, stepMilliseconds: 0);
        return isWhole ? 0 : 1;
    }

    /// <summary>False when a token was lost or out of order.</summary>
    private static async Task<bool> MeasureAsync(string name, int tokens, int stepMilliseconds, bool quiet = false)
    {
        var pace = new StreamPace(stepMilliseconds, tokens + 4096);
        var options = new EngineOptions { ModelPath = "scripted", PageSize = 16 };
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.NumPrefillTokens == 0) pace.Wait();
            pace.Draw(plan.StepId);
            outcome.Ids(plan).Fill((int)(plan.StepId % ScriptedEngine.VocabularySize));
        }, options, numPages: Streams * ((tokens / 16) + 3), maxRunning: Streams);
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true, IncrementalStreamingOutput = true }, NullLoggerFactory.Instance);
        await host.WarmUpAsync();

        using var done = new CancellationTokenSource();
        Task<double[]> polled = PollHealthAsync(host.Address, done.Token);
        var meter = new ProcessorMeter();
        StreamReadings readings = await StreamReaders.ReadAsync(host.Address, Streams, tokens);
        string used = meter.Describe(readings);
        await done.CancelAsync();
        double[] health = await polled;
        StreamDelays delays = StreamDelays.Of(readings, pace.Drawn, ScriptedEngine.VocabularySize);
        long lost = ((long)Streams * tokens) - readings.Tokens;
        if (!quiet)
        {
            Console.WriteLine($"{name}: {delays.TokensPerSecond:F0} tokens/s while all {Streams} streams run; after its draw a token is read within {StreamDelays.Quantile(delays.Milliseconds, 0.5)} ms (p50), "
                + $"{StreamDelays.Quantile(delays.Milliseconds, 0.99)} ms (p99), {StreamDelays.Quantile(delays.Milliseconds, 1)} ms (most); {used}; {lost} lost, {delays.Disordered} out of order; "
                + $"/health {StreamDelays.Quantile(health, 0.5)} ms (p50), {StreamDelays.Quantile(health, 1)} ms (most of {health.Length}); {GC.GetTotalMemory(forceFullCollection: true) >> 20} MiB afterwards");
        }
        return lost == 0 && delays.Disordered == 0;
    }

    /// <summary>Milliseconds that /health takes, asked 50 times a second.</summary>
    public static async Task<double[]> PollHealthAsync(Uri address, CancellationToken done)
    {
        using var client = new HttpClient { BaseAddress = address };
        var times = new List<double>();
        while (!done.IsCancellationRequested)
        {
            long start = Stopwatch.GetTimestamp();
            using HttpResponseMessage response = await client.GetAsync("/health", CancellationToken.None);
            response.EnsureSuccessStatusCode();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            await Task.Delay(20, CancellationToken.None);
        }
        return [.. times.Order()];
    }
}
