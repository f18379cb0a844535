using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Nodes.Tests;

/// <summary>Several nodes in one process, linked over loopback.</summary>
internal sealed class World : IAsyncDisposable
{
    public static readonly NodeTiming Quick = new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2));

    private readonly NodeHead _head;
    private readonly CancellationTokenSource[] _stops;

    private World(NodeHead head, InferenceEngine engine, Task<int>[] workers, CancellationTokenSource[] stops)
    {
        _head = head;
        _stops = stops;
        Engine = engine;
        Workers = workers;
    }

    public InferenceEngine Engine { get; }

    /// <summary>[node - 1].</summary>
    public Task<int>[] Workers { get; }

    /// <param name="cable">What the last node is linked through; null for a direct link.</param>
    public static async Task<World> StartAsync(EngineOptions options, Func<string, Cable>? cable = null)
    {
        EngineOptions own = options with { DistInitAddress = "127.0.0.1:0", DistTimeoutSeconds = 60 };
        NodeHead head = await NodeHead.StartAsync(own, NullLogger.Instance, Quick);
        CancellationTokenSource[] stops = [.. Enumerable.Range(1, options.NumNodes - 1).Select(_ => new CancellationTokenSource())];
        Task<int>[] workers =
        [
            .. Enumerable.Range(1, options.NumNodes - 1).Select(rank =>
            {
                string address = rank == options.NumNodes - 1 && cable is not null ? cable(head.Address).Address : head.Address;
                NodeWorker worker = new(own with { NodeRank = rank, DistInitAddress = address }, NullLogger.Instance, Quick);
                return Task.Run(() => worker.RunAsync(null, stops[rank - 1].Token));
            }),
        ];
        try
        {
            return new World(head, await Task.Run(() => head.StartEngine(null, null)), workers, stops);
        }
        catch
        {
            await head.DisposeAsync();
            throw;
        }
    }

    /// <summary>As a signal does: the node leaves.</summary>
    public void StopNode(int rank) => _stops[rank - 1].Cancel();

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await _head.DisposeAsync();
        await Task.WhenAll(Workers).WaitAsync(TimeSpan.FromSeconds(60));
        foreach (CancellationTokenSource stop in _stops) stop.Dispose();
    }
}
