using System.Diagnostics;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Serving;

/// <summary>When requests are sent: an absolute schedule drawn in advance, so that no delay of one moves the next (an open loop).</summary>
public static class LoadGenerator
{
    /// <summary>Below this, waiting by sleeping is too coarse and the generator's thread spins.</summary>
    private static readonly TimeSpan s_spin = TimeSpan.FromMilliseconds(1.5);

    /// <summary>Seconds from the start at which each request is due: a Poisson process of that rate; all 0 for an infinite one.</summary>
    public static double[] Schedule(int count, double rate, NumpyRandom random)
    {
        double[] due = new double[count];
        if (double.IsPositiveInfinity(rate)) return due;
        for (int i = 1; i < count; i++) due[i] = due[i - 1] + random.Exponential(1 / rate);
        return due;
    }

    /// <summary>Sends each request when it is due, at most <paramref name="maxConcurrency"/> open at once; completes with the last answer.</summary>
    /// <param name="send">Must not throw.</param>
    public static async Task RunAsync(double[] due, int? maxConcurrency, RequestRecord[] records, Func<int, Task> send, CancellationToken cancellation)
    {
        using SemaphoreSlim? gate = maxConcurrency is { } limit ? new SemaphoreSlim(limit) : null;
        Task[] tasks = new Task[due.Length];
        TaskCompletionSource dispatched = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long start = Stopwatch.GetTimestamp();
        // A thread of its own: on the pool it would wait behind the answers it causes.
        Thread dispatcher = new(() =>
        {
            try
            {
                for (int i = 0; i < due.Length; i++)
                {
                    records[i].Scheduled = start + (long)(due[i] * Stopwatch.Frequency);
                    WaitUntil(records[i].Scheduled, cancellation);
                    int index = i;
                    // The gate is asked for in the order of the schedule.
                    Task? open = gate?.WaitAsync(cancellation);
                    tasks[i] = Task.Run(() => SendAsync(index, open), cancellation);
                }
                dispatched.SetResult();
            }
            catch (OperationCanceledException)
            {
                dispatched.SetCanceled(cancellation);
            }
        }) { Name = "load-generator", IsBackground = true, Priority = ThreadPriority.AboveNormal };
        dispatcher.Start();
        await dispatched.Task.ConfigureAwait(false);
        await Task.WhenAll(tasks).ConfigureAwait(false);

        async Task SendAsync(int index, Task? open)
        {
            if (open is not null) await open.ConfigureAwait(false);
            try
            {
                await send(index).ConfigureAwait(false);
            }
            finally
            {
                gate?.Release();
            }
        }
    }

    private static void WaitUntil(long time, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            TimeSpan left = TimeSpan.FromSeconds((time - Stopwatch.GetTimestamp()) / (double)Stopwatch.Frequency);
            if (left <= TimeSpan.Zero) return;
            if (left > s_spin) Thread.Sleep(TimeSpan.FromMilliseconds(Math.Min((left - s_spin).TotalMilliseconds, 100)));
            else Thread.SpinWait(20);
        }
    }
}
