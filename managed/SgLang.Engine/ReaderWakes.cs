using System.Collections.Concurrent;

namespace SgLang.Engine;

/// <summary>
/// Wakes the readers of a step's generations, in bundles, each a work item of the pool. Who delivers queues the first bundle alone: waking a
/// pool thread costs microseconds, which a bundle pays for the next one. One thread at a time; nothing is allocated once enough bundles exist.
/// </summary>
internal sealed class ReaderWakes
{
    /// <summary>Readers that one pool thread resumes in turn; a large batch wakes several threads.</summary>
    internal const int BundleSize = 16;

    private readonly ConcurrentQueue<Bundle> _free = new();
    private Bundle? _first;
    private Bundle? _last;

    /// <summary>A reader to wake by the next <see cref="Flush"/>.</summary>
    public void Add(Generation generation)
    {
        if (_last is null || _last.Count == BundleSize)
        {
            Bundle bundle = _free.TryDequeue(out Bundle? free) ? free : new Bundle(_free);
            if (_last is null) _first = bundle;
            else _last.Next = bundle;
            _last = bundle;
        }
        _last.Add(generation);
    }

    public void Flush()
    {
        if (_first is not { } first) return;
        _first = _last = null;
        ThreadPool.UnsafeQueueUserWorkItem(first, preferLocal: false);
    }

    private sealed class Bundle(ConcurrentQueue<Bundle> free) : IThreadPoolWorkItem
    {
        private readonly Generation?[] _readers = new Generation?[BundleSize];

        public int Count { get; private set; }
        public Bundle? Next { get; set; }

        public void Add(Generation generation) => _readers[Count++] = generation;

        public void Execute()
        {
            if (Next is { } next) ThreadPool.UnsafeQueueUserWorkItem(next, preferLocal: false);
            Next = null;
            for (int i = 0; i < Count; i++)
            {
                Generation reader = _readers[i]!;
                _readers[i] = null;
                reader.Resume();
            }
            Count = 0;
            free.Enqueue(this);
        }
    }
}
