using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Engine.Tests;
using SgLang.Server;

namespace SgLang.Benchmarks;

/// <summary>
/// 1,000 streams of one server over a scripted model, read by raw sockets of the same process, whose cost is therefore counted too. A token's id tells the step
/// that drew it, hence when that was and whether any is lost or out of order.
/// </summary>
internal static class StreamingLoad
{
    private const int Streams = 1000;

    public static async Task<int> RunAsync()
    {
        await MeasureAsync("warm-up", tokens: 30, stepMilliseconds: 20, quiet: true);
        bool isWhole = await MeasureAsync("a step every 40 ms, 25,000 tokens/s", tokens: 150, stepMilliseconds: 40);
        isWhole &= await MeasureAsync("a step every 20 ms, 50,000 tokens/s", tokens: 300, stepMilliseconds: 20);
        isWhole &= await MeasureAsync("as fast as it goes", tokens: 300, stepMilliseconds: 0);
        return isWhole ? 0 : 1;
    }

    /// <summary>False when a token was lost or out of order.</summary>
    private static async Task<bool> MeasureAsync(string name, int tokens, int stepMilliseconds, bool quiet = false)
    {
        long[] drawn = new long[tokens + 4096]; // by step
        long due = 0;
        var options = new EngineOptions { ModelPath = "scripted", PageSize = 16 };
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.NumPrefillTokens == 0 && stepMilliseconds > 0)
            {
                long now = Stopwatch.GetTimestamp();
                due = Math.Max(due, now - (Stopwatch.Frequency / 2)) + (stepMilliseconds * Stopwatch.Frequency / 1000);
                int wait = (int)((due - now) * 1000 / Stopwatch.Frequency);
                if (wait > 0) Thread.Sleep(wait);
            }
            drawn[plan.StepId] = Stopwatch.GetTimestamp();
            outcome.Ids(plan).Fill((int)(plan.StepId % ScriptedEngine.VocabularySize));
        }, options, numPages: Streams * ((tokens / 16) + 3), maxRunning: Streams);
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true, IncrementalStreamingOutput = true }, NullLoggerFactory.Instance);
        await host.WarmUpAsync();

        TimeSpan processor = Process.GetCurrentProcess().TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        using var done = new CancellationTokenSource();
        Task<double[]> health = PollHealthAsync(host.Address, done.Token);
        StreamResult[] results = await Task.WhenAll(Enumerable.Range(0, Streams).Select(i => ReadAsync(host.Address, i, tokens, drawn)));
        await done.CancelAsync();
        double[] healthTimes = await health;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double cores = (Process.GetCurrentProcess().TotalProcessorTime - processor).TotalSeconds / seconds;
        long firstShared = results.Max(result => result.FirstAt), lastShared = results.Min(result => result.LastAt);
        // While all streams run; their beginnings and ends are something else.
        double[] delays = [.. results.SelectMany(result => result.Delays.Where(delay => delay.At >= firstShared && delay.At <= lastShared)).Select(delay => delay.Milliseconds).Order()];
        double rate = delays.Length / Math.Max(1e-9, Stopwatch.GetElapsedTime(firstShared, lastShared).TotalSeconds);
        int lost = results.Sum(result => tokens - result.Count), disordered = results.Sum(result => result.Disordered);
        if (!quiet)
        {
            Console.WriteLine($"{name}: {rate:F0} tokens/s while all {Streams} streams run; after its draw a token is read within {Quantile(delays, 0.5)} ms (p50), {Quantile(delays, 0.99)} ms (p99), {Quantile(delays, 1)} ms (most); "
                + $"{cores:F2} cores with the readers; {lost} lost, {disordered} out of order; /health {Quantile(healthTimes, 0.5)} ms (p50), {Quantile(healthTimes, 1)} ms (most of {healthTimes.Length}); {GC.GetTotalMemory(forceFullCollection: true) >> 20} MiB afterwards");
        }
        return lost == 0 && disordered == 0;
    }

    private static string Quantile(double[] sorted, double q) => sorted.Length == 0 ? "-" : $"{sorted[(int)(q * (sorted.Length - 1))]:F2}";

    /// <summary>Milliseconds that /health takes, asked 50 times a second.</summary>
    private static async Task<double[]> PollHealthAsync(Uri address, CancellationToken done)
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

    private static async Task<StreamResult> ReadAsync(Uri address, int index, int tokens, long[] drawn)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        string body = $$"""{"input_ids":[{{1 + (index % 900)}},2,3,4,5],"stream":true,"sampling_params":{"max_new_tokens":{{tokens}},"temperature":0,"ignore_eos":true} }""";
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        var result = new StreamResult(tokens);
        byte[] buffer = new byte[8192];
        int kept = 0;
        while (true)
        {
            int read = await socket.ReceiveAsync(buffer.AsMemory(kept));
            if (read == 0) return result;
            kept = result.Take(buffer, kept + read, drawn);
            if (result.Count >= tokens) return result;
        }
    }

    private sealed class StreamResult(int tokens)
    {
        private long _lastStep;

        public int Count { get; private set; }
        public int Disordered { get; private set; }
        public long FirstAt { get; private set; }
        public long LastAt { get; private set; }
        public List<(long At, double Milliseconds)> Delays { get; } = new(tokens);

        /// <summary>Takes the ids of whole lists; what may be the beginning of one is moved to the front. Returns its length.</summary>
        public int Take(byte[] buffer, int length, long[] drawn)
        {
            ReadOnlySpan<byte> field = "\"output_ids\":["u8;
            Span<byte> rest = buffer.AsSpan(0, length);
            while (rest.IndexOf(field) is var at and >= 0)
            {
                Span<byte> list = rest[(at + field.Length)..];
                int end = list.IndexOf((byte)']');
                if (end < 0)
                {
                    rest = rest[at..];
                    rest.CopyTo(buffer);
                    return rest.Length;
                }
                int id = 0;
                foreach (byte digit in list[..end])
                {
                    if (digit == ',')
                    {
                        Add(id, drawn);
                        id = 0;
                    }
                    else
                    {
                        id = (id * 10) + digit - '0';
                    }
                }
                if (end > 0) Add(id, drawn);
                rest = list[end..];
            }
            if (rest.Length >= field.Length) rest = rest[^(field.Length - 1)..];
            rest.CopyTo(buffer);
            return rest.Length;
        }

        private void Add(int id, long[] drawn)
        {
            // Of the steps whose number ends in the id, the first after the last one; a token that came early would seem to be far ahead.
            long step = _lastStep + 1 + ((id - _lastStep - 1) % ScriptedEngine.VocabularySize + ScriptedEngine.VocabularySize) % ScriptedEngine.VocabularySize;
            if (step >= drawn.Length || drawn[step] == 0)
            {
                Disordered++;
                return;
            }
            _lastStep = step;
            long now = Stopwatch.GetTimestamp();
            if (Count++ == 0) FirstAt = now;
            LastAt = now;
            Delays.Add((now, Stopwatch.GetElapsedTime(drawn[step], now).TotalMilliseconds));
        }
    }
}
