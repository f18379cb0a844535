using System.Globalization;
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

    private const int Tokens = 300;

    /// <param name="pace">Milliseconds of a step, 0 for as fast as it goes; null for 40, 20 and 0.</param>
    /// <returns>0, or 1 when tokens were lost or out of order, 2 for a pace that is none.</returns>
    public static async Task<int> RunAsync(string? pace)
    {
        int only = 0;
        if (pace is not null && !(int.TryParse(pace, CultureInfo.InvariantCulture, out only) && only is >= 0 and <= 1000))
        {
            Console.Error.WriteLine($"streams: milliseconds '{pace}' must be a whole number from 0 to 1000.");
            return 2;
        }
        await MeasureAsync(tokens: 30, stepMilliseconds: 20, quiet: true);
        bool isWhole = true;
        foreach (int milliseconds in pace is null ? [40, 20, 0] : new[] { only }) isWhole &= await MeasureAsync(Tokens, milliseconds);
        return isWhole ? 0 : 1;
    }

    /// <summary>False when a token was lost or out of order.</summary>
    private static async Task<bool> MeasureAsync(int tokens, int stepMilliseconds, bool quiet = false)
    {
        string name = stepMilliseconds == 0 ? "as fast as it goes" : $"a step every {stepMilliseconds} ms, {Streams * 1000 / stepMilliseconds} tokens/s";
        var pace = new StreamPace(stepMilliseconds, tokens + 4096);
        var meter = new ProcessorMeter();
        int steady = 0, first = tokens / 6, last = tokens / 2;
        var options = new EngineOptions { ModelPath = "scripted", PageSize = 16 };
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.NumPrefillTokens == 0) pace.Wait();
            pace.Draw(plan.StepId);
            // While every stream gets a token a step.
            if (plan.NumPrefillTokens == 0 && plan.NumSamples == Streams)
            {
                steady++;
                if (steady == first) meter.Start();
                if (steady == last) meter.Stop();
            }
            outcome.Ids(plan).Fill((int)(plan.StepId % ScriptedEngine.VocabularySize));
        }, options, numPages: Streams * ((tokens / 16) + 3), maxRunning: Streams);
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true, IncrementalStreamingOutput = true }, NullLoggerFactory.Instance);
        await host.WarmUpAsync();

        StreamReadings readings = await StreamReaders.ReadAsync(host.Address, Streams, tokens);
        double[] health = readings.Health;
        StreamDelays delays = StreamDelays.Of(readings, pace.Drawn, ScriptedEngine.VocabularySize);
        long lost = ((long)Streams * tokens) - readings.Tokens;
        if (!quiet)
        {
            Console.WriteLine($"{name}: {delays.TokensPerSecond:F0} tokens/s while all {Streams} streams run; after its draw a token is at its reader within {StreamDelays.Quantile(delays.Milliseconds, 0.5)} ms (p50), "
                + $"{StreamDelays.Quantile(delays.Milliseconds, 0.99)} ms (p99), {StreamDelays.Quantile(delays.Milliseconds, 1)} ms (most); {meter.Describe((long)Streams * (last - first))}; {lost} lost, {delays.Disordered} out of order; "
                + $"/health {StreamDelays.Quantile(health, 0.5)} ms (p50), {StreamDelays.Quantile(health, 1)} ms (most of {health.Length}); {GC.GetTotalMemory(forceFullCollection: true) >> 20} MiB afterwards");
        }
        return lost == 0 && delays.Disordered == 0;
    }
}
