using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;
using SgLang.Server;

namespace SgLang.Benchmarks;

/// <summary>
/// Minutes of 1,000 streams at 25,000 tokens/s, each of which asks again when its answer is whole: no token may be lost or come in the wrong place, and memory must
/// stay where it was once the server was warm.
/// </summary>
internal static class StreamingSoak
{
    private const int Tokens = 200, StepMilliseconds = 40;

    /// <summary>What memory may grow by from the first third of the samples to the last.</summary>
    private const double AllowedGrowth = 1.1;

    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(30), s_interval = TimeSpan.FromSeconds(5);

    /// <returns>0, or 1 when tokens were lost or out of place or memory grew, 2 for arguments that are none.</returns>
    public static async Task<int> RunAsync(string duration)
    {
        if (!double.TryParse(duration, CultureInfo.InvariantCulture, out double minutes) || minutes is not (>= 1 and <= 1440))
        {
            Console.Error.WriteLine($"soak: minutes '{duration}' must be a number from 1 to 1440.");
            return 2;
        }
        var pace = new StreamPace(StepMilliseconds, numSteps: 0);
        var options = new EngineOptions { ModelPath = "scripted", PageSize = 16 };
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.NumPrefillTokens == 0) pace.Wait();
            // A token's id is its position.
            Span<int> ids = outcome.Ids(plan);
            for (int i = 0; i < ids.Length; i++) ids[i] = plan.KvLength[plan.SampleIndex[i]] % ScriptedEngine.VocabularySize;
        }, options, numPages: StreamingLoad.Streams * ((Tokens / 16) + 3), maxRunning: StreamingLoad.Streams);
        await using ServerHost host = await ServerHost.StartAsync(engine,
            new ServerOptions { Port = 0, SkipServerWarmup = true, IncrementalStreamingOutput = true, EnableMetrics = true }, NullLoggerFactory.Instance);
        await host.WarmUpAsync();

        using var done = new CancellationTokenSource();
        Task<List<MemorySample>> sampled = SampleAsync(done.Token);
        var meter = new ProcessorMeter();
        meter.Start();
        int seconds = (int)(minutes * 60);
        StreamReadings readings = await StreamReaders.ReadAsync(host.Address, StreamingLoad.Streams, Tokens, seconds);
        meter.Stop();
        await done.CancelAsync();
        double[] health = readings.Health;
        List<MemorySample> samples = await sampled;
        long lost = (readings.Requests * Tokens) - readings.Tokens;
        Console.WriteLine($"{minutes} minutes of {StreamingLoad.Streams} streams: {readings.Requests} requests, {readings.Tokens / (double)seconds:F0} tokens/s; {lost} tokens lost, {readings.Disordered} out of place; {meter.Describe(readings.Events)}; "
            + $"/health {StreamDelays.Quantile(health, 0.5)} ms (p50), {StreamDelays.Quantile(health, 1)} ms (most of {health.Length})");
        bool isFlat = IsFlat("resident", samples.ConvertAll(sample => sample.Resident)) & IsFlat("managed, live", samples.ConvertAll(sample => sample.Live));
        return lost == 0 && readings.Disordered == 0 && isFlat ? 0 : 1;
    }

    private static bool IsFlat(string name, List<long> bytes)
    {
        int third = bytes.Count / 3;
        double first = Median(bytes[..third]), last = Median(bytes[^third..]);
        bool isFlat = last <= first * AllowedGrowth;
        Console.WriteLine($"memory, {name}: {first / (1 << 20):F1} MiB in the first third, {last / (1 << 20):F1} MiB in the last, most {bytes.Max() / (double)(1 << 20):F1} MiB of {bytes.Count} samples: {(isFlat ? "flat" : "GREW")}");
        return isFlat;
    }

    private static double Median(List<long> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>Samples from the end of the warm-up on.</summary>
    private static async Task<List<MemorySample>> SampleAsync(CancellationToken done)
    {
        var samples = new List<MemorySample>();
        try
        {
            await Task.Delay(s_warmUp, done);
            while (true)
            {
                samples.Add(MemorySample.Take());
                await Task.Delay(s_interval, done);
            }
        }
        catch (OperationCanceledException)
        {
            return samples;
        }
    }

    /// <param name="Resident">Of the whole process.</param>
    /// <param name="Live">Managed objects that the latest collection of all generations left, which ran beside the server.</param>
    private readonly record struct MemorySample(long Resident, long Live)
    {
        public static MemorySample Take()
        {
            using var process = Process.GetCurrentProcess();
            long resident = process.WorkingSet64;
            GCMemoryInfo collected = GC.GetGCMemoryInfo(GCKind.Background);
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
            return new MemorySample(resident, collected.HeapSizeBytes - collected.FragmentedBytes);
        }
    }
}
