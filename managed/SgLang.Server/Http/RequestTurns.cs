using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace SgLang.Server.Http;

/// <summary>
/// Where the work with a request's body waits for its turn: as many at once as there are processors, each a work item of the thread pool that puts the next one
/// behind whatever else has come to the pool meanwhile. A thousand requests that come at one moment would else be a thousand work items ahead of a health check
/// and of every token of a stream.
/// </summary>
internal static class RequestTurns
{
    private static readonly ConcurrentQueue<Action> s_queue = new();
    private static readonly Worker s_worker = new();
    private static int s_workers;

    /// <summary>Awaiting it goes on in turn, on a thread of the pool.</summary>
    public static Turn Take() => default;

    private static void Enqueue(Action work)
    {
        s_queue.Enqueue(work);
        StartWorker();
    }

    private static void StartWorker()
    {
        int workers = Volatile.Read(ref s_workers);
        while (workers < Environment.ProcessorCount)
        {
            int seen = Interlocked.CompareExchange(ref s_workers, workers + 1, workers);
            if (seen == workers)
            {
                ThreadPool.UnsafeQueueUserWorkItem(s_worker, preferLocal: false);
                return;
            }
            workers = seen;
        }
    }

    private sealed class Worker : IThreadPoolWorkItem
    {
        public void Execute()
        {
            // Behind what is in the pool already, and before the work: it may take long, and this thread with it.
            bool hasWork = s_queue.TryDequeue(out Action? work);
            if (hasWork && !s_queue.IsEmpty) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            else EndWorker();
            work?.Invoke();
        }

        private static void EndWorker()
        {
            Interlocked.Decrement(ref s_workers);
            // What came between the look and the decrement found no place for a worker.
            if (!s_queue.IsEmpty) StartWorker();
        }
    }

    public readonly struct Turn : ICriticalNotifyCompletion
    {
        public bool IsCompleted => false;

        public Turn GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => Enqueue(continuation);

        public void UnsafeOnCompleted(Action continuation) => Enqueue(continuation);
    }
}
