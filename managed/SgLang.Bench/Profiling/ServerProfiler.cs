using SgLang.Bench.Http;

namespace SgLang.Bench.Profiling;

/// <summary>
/// A window of the profiler of a server, or of each worker behind a router, around a measurement (spec/profiling.md 8.3). A failure is said and
/// does not end the run.
/// </summary>
internal sealed class ServerProfiler(ProfileRequest request, IReadOnlyList<KeyValuePair<string, Uri>> workers, ServerApi api, TextWriter output)
{
    private readonly List<(string Name, ProfileClient Client)> _begun = [];

    public async Task StartAsync(CancellationToken cancellation)
    {
        await output.WriteLineAsync("Starting profiler...");
        string directory = request.NewDirectory();
        foreach ((string name, Uri url) in Targets())
        {
            ProfileClient client = new(api.Http, url);
            if (await TryAsync("start", "started", name, () => client.BeginAsync(request, directory, cancellation))) _begun.Add((name, client));
        }
    }

    /// <summary>Ends the windows that have not ended by themselves, so that none stays open after the last request.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        if (_begun.Count == 0) return;
        await output.WriteLineAsync("Stopping profiler...");
        foreach ((string name, ProfileClient client) in _begun) await TryAsync("stop", "stopped", name, () => client.StopAsync(cancellation));
    }

    private IEnumerable<KeyValuePair<string, Uri>> Targets() =>
        workers.Count == 0 ? [KeyValuePair.Create("", api.Server)] : workers.Select(worker => KeyValuePair.Create($" for {worker.Key} worker at {worker.Value}", worker.Value));

    /// <param name="whose">End of the sentence.</param>
    private async Task<bool> TryAsync(string verb, string done, string whose, Func<Task> call)
    {
        try
        {
            await call();
            await output.WriteLineAsync($"Profiler {done}{whose}");
            return true;
        }
        catch (HttpRequestException e)
        {
            await output.WriteLineAsync(whose.Length > 0 ? $"Failed to {verb} profiler{whose}: {e.Message}" : $"Failed to {verb} profiler: {e.Message}");
            return false;
        }
    }
}
