using SgLang.Core;

namespace SgLang.Engine;

/// <summary>
/// What the engine's thread has for the generations, carried to them by the thread pool in the order it was added. A generation's memory was
/// last written by its reader on another core, so that reaching 256 of them costs more than planning their step: the engine's thread
/// leaves that to a pool thread, which also wakes the readers. Two batches take turns, so that nothing is allocated once they have grown.
/// </summary>
/// <param name="triggers">Told of first tokens.</param>
internal sealed class Deliveries(FlightTriggers triggers) : IThreadPoolWorkItem
{
    private const int NoToken = -1;

    /// <summary>Deliveries after which waiting readers are woken: several bundles.</summary>
    private const int WakeInterval = 4 * ReaderWakes.BundleSize;

    private readonly ReaderWakes _wakes = new();
    private readonly Lock _gate = new(); // one thread at a time carries
    private Batch? _added;
    private Batch? _free = new(), _spare = new();
    private int _isScheduled;

    // Of the engine's thread: what was added since the last flush.
    private Batch? _open;

    /// <summary>Engine thread: a token, with the verdict if it is the last.</summary>
    /// <param name="owner">The <see cref="Generation"/>, which is not looked at.</param>
    public void Add(object owner, in TokenRecord token, FinishReason? finish) => Open().Add(new Delivery(owner, token, finish));

    /// <summary>Engine thread: the end, without a further token.</summary>
    public void AddEnd(object owner, FinishReason finish) => Open().Add(new Delivery(owner, new TokenRecord(NoToken), finish));

    /// <summary>Engine thread: what was added goes on its way.</summary>
    public void Flush()
    {
        if (_open is not { } batch) return;
        _open = null;
        Volatile.Write(ref _added, batch);
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Engine thread: all that was added has been delivered when it returns, without waiting for the pool to come to it.</summary>
    public void Complete()
    {
        Flush();
        Carry();
    }

    void IThreadPoolWorkItem.Execute()
    {
        do
        {
            Carry();
            Interlocked.Exchange(ref _isScheduled, 0);
        }
        while (Volatile.Read(ref _added) is not null && Interlocked.Exchange(ref _isScheduled, 1) == 0);
    }

    /// <summary>What has not been fetched yet is added to; otherwise one of the two batches is free, since at most the other is being carried.</summary>
    private Batch Open() => _open ??= Interlocked.Exchange(ref _added, null) ?? Interlocked.Exchange(ref _free, null) ?? Interlocked.Exchange(ref _spare, null)!;

    private void Carry()
    {
        lock (_gate)
        {
            while (Interlocked.Exchange(ref _added, null) is { } batch)
            {
                ReadOnlySpan<Delivery> items = batch.Items;
                for (int i = 0; i < items.Length; i++)
                {
                    Deliver(in items[i]);
                    // Other threads may begin with the first readers of a large batch meanwhile.
                    if (i % WakeInterval == WakeInterval - 1) _wakes.Flush();
                }
                _wakes.Flush();
                batch.Clear();
                if (Interlocked.CompareExchange(ref _free, batch, null) is not null) Volatile.Write(ref _spare, batch);
            }
        }
    }

    private void Deliver(in Delivery delivery)
    {
        var generation = (Generation)delivery.Owner;
        if (delivery.Token.Id == NoToken) generation.End(delivery.Finish!.Value);
        else if (generation.Push(delivery.Token, delivery.Finish, _wakes) && triggers.WatchesFirstTokens) triggers.FirstToken(generation.TimeToFirstToken!.Value);
    }

    private readonly record struct Delivery(object Owner, TokenRecord Token, FinishReason? Finish);

    private sealed class Batch
    {
        private Delivery[] _items = new Delivery[64];
        private int _count;

        public ReadOnlySpan<Delivery> Items => _items.AsSpan(0, _count);

        public void Add(in Delivery delivery)
        {
            if (_count == _items.Length) Array.Resize(ref _items, 2 * _count);
            _items[_count++] = delivery;
        }

        /// <summary>Keeps no generation alive.</summary>
        public void Clear()
        {
            Array.Clear(_items, 0, _count);
            _count = 0;
        }
    }
}
