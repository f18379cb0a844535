using System.Diagnostics;
using SgLang.Interop;

namespace SgLang.Bench.Load;

/// <summary>Sends requests when their schedule says so, from one thread that does nothing else.</summary>
internal sealed class LoadGenerator(ILoadClient client, int? maxConcurrency)
{
    /// <summary>A sleep ends up to this much late (a timer's slack, a processor that must wake), so the thread wakes that much early and waits the rest awake.</summary>
    private static readonly long s_sleepError = Stopwatch.Frequency * 80 / 1_000_000;

    /// <summary>So that a cancelled run ends soon.</summary>
    private static readonly long s_longestSleep = Stopwatch.Frequency / 10;

    /// <summary>Called when a record is complete, from any thread; must be quick and must not throw.</summary>
    public Action<RequestRecord>? Completed { get; init; }

    /// <summary>What follows an answer in the same conversation; null where nothing does. Its place under the concurrency limit is kept.</summary>
    public Func<RequestRecord, (LoadRequest Request, RequestRecord Record)?>? Next { get; init; }

    /// <summary>Sends each request when it is due, at most so many open at once, and completes with the last answer.</summary>
    /// <param name="due">Seconds from the start, ascending.</param>
    public async Task RunAsync(double[] due, LoadRequest[] requests, RequestRecord[] records, CancellationToken cancellation)
    {
        using SemaphoreSlim? gate = maxConcurrency is { } limit ? new SemaphoreSlim(limit) : null;
        TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int open = due.Length;
        using CancellationTokenRegistration registration = cancellation.Register(client.Abort);
        Thread sender = new(() =>
        {
            try
            {
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < due.Length; i++) records[i].Scheduled = start + (long)(due[i] * Stopwatch.Frequency);
                for (int i = 0; i < due.Length; i++)
                {
                    WaitUntil(records[i].Scheduled, cancellation);
                    gate?.Wait(cancellation);
                    client.Send(requests[i], records[i], Done);
                }
            }
            catch (Exception e)
            {
                finished.TrySetException(e);
            }
        }) { Name = "load-generator", IsBackground = true };
        using (new QuietMemory())
        {
            sender.Start();
            await finished.Task.ConfigureAwait(false);
        }
        sender.Join();
        cancellation.ThrowIfCancellationRequested();

        void Done(RequestRecord record)
        {
            Completed?.Invoke(record);
            if (Next is null || !record.IsSuccess) End();
            // Not within a socket's completion: making the next request takes time, and a full send buffer could not be waited for there.
            else ThreadPool.UnsafeQueueUserWorkItem(GoOn, record, preferLocal: false);
        }

        void GoOn(RequestRecord record)
        {
            if (Next!(record) is not { } next)
            {
                End();
                return;
            }
            next.Record.Scheduled = Stopwatch.GetTimestamp();
            client.Send(next.Request, next.Record, Done);
        }

        void End()
        {
            gate?.Release();
            if (Interlocked.Decrement(ref open) == 0) finished.TrySetResult();
        }
    }

    private static void WaitUntil(long time, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            long now = Stopwatch.GetTimestamp();
            if (now >= time) return;
            if (time - now > s_sleepError) PreciseSleep.Until(Math.Min(time - s_sleepError, now + s_longestSleep));
            else Thread.SpinWait(10);
        }
    }
}
