using System.Net;
using System.Net.Sockets;
using System.Text;

namespace SgLang.Benchmarks;

/// <summary>
/// The least that the load can cost on this machine: the same bytes at the same pace through bare sockets, by as many threads as are asked for, with nothing of the
/// engine or the server between.
/// </summary>
internal static class PlainStreams
{
    private const int Cycle = 1000;

    public static async Task<int> RunAsync()
    {
        bool isWhole = true;
        foreach (int threads in new[] { 1, 2 }) isWhole &= await MeasureAsync(threads, tokens: 150, stepMilliseconds: 40);
        return isWhole ? 0 : 1;
    }

    private static async Task<bool> MeasureAsync(int threads, int tokens, int stepMilliseconds)
    {
        const int streams = StreamingLoad.Streams;
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(streams);
        var meter = new ProcessorMeter();
        int first = tokens / 6, last = tokens / 2;
        Task<StreamReadings> reading = StreamReaders.ReadAsync(new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}"), streams, tokens, asksHealth: false);
        var sockets = new Socket[streams];
        byte[] request = new byte[4096];
        for (int i = 0; i < streams; i++)
        {
            sockets[i] = await listener.AcceptAsync();
            sockets[i].NoDelay = true;
            await sockets[i].ReceiveAsync(request);
        }
        var pace = new StreamPace(stepMilliseconds, tokens + 1);
        using var barrier = new Barrier(threads, _ => pace.Wait());
        Thread[] senders = [.. Enumerable.Range(0, threads).Select(t => new Thread(() => Send(t)))];
        foreach (Thread sender in senders) sender.Start();
        StreamReadings readings = await reading;
        foreach (Thread sender in senders) sender.Join();
        foreach (Socket socket in sockets) socket.Dispose();
        StreamDelays delays = StreamDelays.Of(readings, pace.Drawn, Cycle);
        Console.WriteLine($"bare sockets, {threads} threads, a step every {stepMilliseconds} ms: {delays.TokensPerSecond:F0} tokens/s; after its draw a token is at its reader within {StreamDelays.Quantile(delays.Milliseconds, 0.5)} ms (p50), "
            + $"{StreamDelays.Quantile(delays.Milliseconds, 0.99)} ms (p99), {StreamDelays.Quantile(delays.Milliseconds, 1)} ms (most); {meter.Describe((long)streams * (last - first))}");
        return readings.Tokens == (long)streams * tokens && delays.Disordered == 0;

        void Send(int thread)
        {
            for (int step = 1; step <= tokens; step++)
            {
                barrier.SignalAndWait();
                if (thread == 0) pace.Draw(step);
                if (thread == 0 && step == first) meter.Start();
                if (thread == 0 && step == last) meter.Stop();
                // As long as an event of /generate.
                byte[] message = Encoding.ASCII.GetBytes(
                    $"de\r\ndata: {{\"output_ids\":[{step % Cycle}],\"meta_info\":{{\"id\":\"{new string('0', 32)}\",\"finish_reason\":null,\"prompt_tokens\":5,\"completion_tokens\":{step},\"cached_tokens\":0,\"num_retractions\":0,\"weight_version\":\"default\"}} }}\n\n\r\n");
                for (int i = thread; i < streams; i += threads) sockets[i].Send(message);
            }
        }
    }
}
