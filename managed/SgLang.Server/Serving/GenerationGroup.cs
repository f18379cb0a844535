using System.Runtime.CompilerServices;
using System.Threading.Channels;
using SgLang.Engine;

namespace SgLang.Server.Serving;

/// <summary>The generations of one HTTP request: submitted together, read as one sequence, and aborted together when disposed early.</summary>
internal sealed class GenerationGroup : IAsyncDisposable
{
    private readonly Generation[] _items;

    private GenerationGroup(Generation[] items) => _items = items;

    public IReadOnlyList<Generation> Items => _items;

    /// <summary>Who watches it; disposed with it.</summary>
    public IDisposable? Observer { get; set; }

    /// <inheritdoc cref="InferenceEngine.SubmitGroupAsync"/>
    public static async Task<GenerationGroup> SubmitAsync(InferenceEngine engine, IReadOnlyList<GenerationRequest> requests, CancellationToken cancellation) =>
        new(await engine.SubmitGroupAsync(requests, cancellation));

    /// <summary>Chunks of all generations as they come; those of one are in order.</summary>
    public async IAsyncEnumerable<(int Index, GenerationChunk Chunk)> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        if (_items.Length == 1)
        {
            while (await _items[0].ReadAsync(cancellation) is { } chunk) yield return (0, chunk);
            yield break;
        }
        // Bounded, so that a slow client leaves chunks in the engine, where they merge.
        var merged = Channel.CreateBounded<(int, GenerationChunk)>(new BoundedChannelOptions(_items.Length) { SingleReader = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task pumps = PumpAllAsync(merged.Writer, stop.Token);
        try
        {
            await foreach ((int, GenerationChunk) item in merged.Reader.ReadAllAsync(cancellation)) yield return item;
        }
        finally
        {
            await stop.CancelAsync();
            await pumps;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Generation item in _items) await item.DisposeAsync();
        Observer?.Dispose();
    }

    private async Task PumpAllAsync(ChannelWriter<(int, GenerationChunk)> writer, CancellationToken cancellation)
    {
        try
        {
            await Task.WhenAll(_items.Select((item, index) => PumpAsync(item, index, writer, cancellation)));
            writer.Complete();
        }
        catch (Exception e)
        {
            // The reader of the channel sees it.
            writer.Complete(e);
        }
    }

    private static async Task PumpAsync(Generation item, int index, ChannelWriter<(int, GenerationChunk)> writer, CancellationToken cancellation)
    {
        while (await item.ReadAsync(cancellation) is { } chunk) await writer.WriteAsync((index, chunk), cancellation);
    }
}
