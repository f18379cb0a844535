using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace SgLang.Server.Http;

/// <summary>
/// Where requests that take long before they can wait for the engine, as those of long prompts do, get their processor time: on as many threads of their own as there
/// are processors. On the thread pool a few of them would hold up all others, health checks and streams among them, for as long as they take.
/// </summary>
internal static class LongWork
{
    /// <summary>Bodies from this size on: some milliseconds of parsing and tokenizing.</summary>
    public const int LeastBytes = 16 << 10;

    private static readonly Lazy<BlockingCollection<Action>> s_queue = new(Start);

    /// <summary>Awaiting it goes on on one of the threads, until the next wait.</summary>
    public static Switch Begin() => default;

    private static BlockingCollection<Action> Start()
    {
        var queue = new BlockingCollection<Action>();
        for (int i = 0; i < Environment.ProcessorCount; i++)
        {
            new Thread(() =>
            {
                foreach (Action work in queue.GetConsumingEnumerable()) work();
            }) { Name = $"sgl-long-{i}", IsBackground = true }.Start();
        }
        return queue;
    }

    public readonly struct Switch : ICriticalNotifyCompletion
    {
        public bool IsCompleted => false;

        public Switch GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => s_queue.Value.Add(continuation);

        public void UnsafeOnCompleted(Action continuation) => s_queue.Value.Add(continuation);
    }
}
