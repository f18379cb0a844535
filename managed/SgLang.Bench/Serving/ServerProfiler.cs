using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Http;

namespace SgLang.Bench.Serving;

/// <summary>Starts and stops the profiler of a server, or of each worker behind a router (spec/profiling.md 8.3). A failure is said and does not end the run.</summary>
internal sealed class ServerProfiler(ProfileOptions options, ServerApi api, TextWriter output)
{
    private const int DefaultStageSteps = 5;

    public async Task StartAsync(CancellationToken cancellation)
    {
        await output.WriteLineAsync("Starting profiler...");
        JsonObject body = new()
        {
            ["activities"] = new JsonArray([.. options.Activities.Select(a => (JsonNode)a)]),
            ["num_steps"] = options.NumSteps ?? (options.ByStage ? DefaultStageSteps : null),
            ["profile_by_stage"] = options.ByStage,
            ["output_dir"] = Path.Combine(
                options.OutputDirectory ?? Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR") ?? "/tmp",
                DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)),
        };
        if (options.Stages.Count > 0) body["profile_stages"] = new JsonArray([.. options.Stages.Select(s => (JsonNode)s)]);
        if (options.Prefix is not null) body["profile_prefix"] = options.Prefix;
        if (options.StartStep is { } start) body["start_step"] = start;
        await PostAsync("/start_profile", body, "start", "started", cancellation);
    }

    /// <summary>Does nothing where the server stops by itself after a number of steps.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        if (options.NumSteps is not null || options.ByStage) return;
        await output.WriteLineAsync("Stopping profiler...");
        await PostAsync("/stop_profile", null, "stop", "stopped", cancellation);
    }

    private async Task PostAsync(string path, JsonObject? body, string verb, string done, CancellationToken cancellation)
    {
        if (options.Workers.Count == 0)
        {
            string? error = await api.PostAsync(new Uri(api.Server, path), body, cancellation);
            await output.WriteLineAsync(error is null ? $"Profiler {done}" : $"Failed to {verb} profiler: {error}");
        }
        foreach ((string name, Uri url) in options.Workers)
        {
            string? error = await api.PostAsync(new Uri(url, path), body, cancellation);
            await output.WriteLineAsync(error is null ? $"Profiler {done} for {name} worker at {url}" : $"Failed to {verb} profiler for {name} worker at {url}: {error}");
        }
    }
}
