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

    [ThreadStatic]
    private static bool s_isHere;

    /// <summary>The calling thread is one of these.</summary>
    public static bool IsHere => s_isHere;

    /// <summary>Awaiting it goes on on one of the threads, until the next wait.</summary>
    public static Switch Begin() => default;

    public static void Run(Action work) => s_queue.Value.Add(work);

    private static BlockingCollection<Action> Start()
    {
        var queue = new BlockingCollection<Action>();
        for (int i = 0; i < Environment.ProcessorCount; i++)
        {
            new Thread(() =>
            {
                s_isHere = true;
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

        public void OnCompleted(Action continuation) => Run(continuation);

        public void UnsafeOnCompleted(Action continuation) => Run(continuation);
    }
}
