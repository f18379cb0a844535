using System.Threading.Channels;

namespace SgLang.Nodes;

/// <summary>Messages on their way into one stream, which takes one writer at a time. Posting never waits; what is under way is bounded by the steps that can be.</summary>
internal sealed class Outbox<T>
{
    private readonly Channel<T> _queue = Channel.CreateUnbounded<T>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Dropped once the box is closed.</summary>
    public void Post(T message) => _queue.Writer.TryWrite(message);

    /// <summary>Nothing more comes: <see cref="RunAsync"/> ends when all is written.</summary>
    public void Close() => _queue.Writer.TryComplete();

    public async Task RunAsync(Func<T, Task> write, CancellationToken cancellation)
    {
        await foreach (T message in _queue.Reader.ReadAllAsync(cancellation).ConfigureAwait(false)) await write(message).ConfigureAwait(false);
    }
}
