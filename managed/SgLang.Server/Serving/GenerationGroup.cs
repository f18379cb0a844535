using System.Threading.Channels;
using SgLang.Engine;

namespace SgLang.Server.Serving;

/// <summary>The generations of one HTTP request: submitted together, read as one sequence, and aborted together when disposed early.</summary>
internal sealed class GenerationGroup : IAsyncDisposable
{
    private readonly Generation[] _items;
    private Channel<GenerationChunk>? _merged;
    private CancellationTokenSource? _stop;
    private Task _pumps = Task.CompletedTask;

    private GenerationGroup(Generation[] items) => _items = items;

    public IReadOnlyList<Generation> Items => _items;

    /// <summary>Who watches it; disposed with it.</summary>
    public IDisposable? Observer { get; set; }

    /// <inheritdoc cref="InferenceEngine.SubmitGroupAsync"/>
    public static async Task<GenerationGroup> SubmitAsync(InferenceEngine engine, IReadOnlyList<GenerationRequest> requests, CancellationToken cancellation) =>
        new(await engine.SubmitGroupAsync(requests, cancellation));

    /// <summary>The next chunk of any generation, which <see cref="GenerationChunk.Index"/> tells; those of one are in order. Null when all have ended.</summary>
    /// <param name="cancellation">The same for all reads.</param>
    public ValueTask<GenerationChunk?> ReadAsync(CancellationToken cancellation) =>
        _items.Length == 1 ? _items[0].ReadAsync(cancellation) : ReadMergedAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        if (_stop is not null) await _stop.CancelAsync();
        await _pumps;
        _stop?.Dispose();
        foreach (Generation item in _items) await item.DisposeAsync();
        Observer?.Dispose();
    }

    private async ValueTask<GenerationChunk?> ReadMergedAsync(CancellationToken cancellation)
    {
        if (_merged is null)
        {
            // Bounded, so that a slow client leaves chunks in the engine, where they merge.
            _merged = Channel.CreateBounded<GenerationChunk>(new BoundedChannelOptions(_items.Length) { SingleReader = true });
            _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            _pumps = PumpAllAsync(_merged.Writer, _stop.Token);
        }
        return await _merged.Reader.WaitToReadAsync(cancellation) && _merged.Reader.TryRead(out GenerationChunk? chunk) ? chunk : null;
    }

    private async Task PumpAllAsync(ChannelWriter<GenerationChunk> writer, CancellationToken cancellation)
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

    private static async Task PumpAsync(Generation item, int index, ChannelWriter<GenerationChunk> writer, CancellationToken cancellation)
    {
        while (await item.ReadAsync(cancellation) is { } chunk)
        {
            chunk.Index = index;
            await writer.WriteAsync(chunk, cancellation);
        }
    }
}
