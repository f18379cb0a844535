using System.Globalization;
using SgLang.Engine;
using SgLang.Profiling;

namespace SgLang.Bench.Offline;

/// <summary>A window of the engine's profiler around the measured run (spec/profiling.md 8.2). Neither its start nor writing the files is measured.</summary>
internal sealed class OfflineProfiler(EngineProfiler profiler, OfflineProfileOptions options, TextWriter output)
{
    /// <exception cref="BenchException">Nothing can be recorded, or no file be written.</exception>
    public void Start()
    {
        ProfileOptions window = new()
        {
            OutputDirectory = options.Directory,
            Id = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            NumSteps = options.Steps,
            Activities = options.Activities,
            WithStack = options.WithStack,
            RecordShapes = options.RecordShapes,
        };
        if (profiler.ReasonAgainst(window) is { } reason) throw new BenchUsageException($"--profile-activities: {reason}");
        try
        {
            if (profiler.Start(window) is { } refusal) throw new BenchException($"--profile: {refusal}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"--profile: cannot write to {options.Directory}: {e.Message} SGLANG_TORCH_PROFILER_DIR names another directory.");
        }
    }

    /// <summary>Ends the window unless its steps are over, and returns its files when they are written.</summary>
    public async Task<IReadOnlyList<string>> StopAsync()
    {
        await output.WriteLineAsync($"Monitoring {options.Directory} for new trace files...");
        ProfileResult result = await (profiler.Stop() ?? Task.FromResult(profiler.Results[^1]));
        if (result.Error is { } error) throw new BenchException($"--profile: the trace could not be written: {error}");
        foreach (string file in result.Files) await output.WriteLineAsync($"New file detected: {Path.GetFileName(file)}");
        return result.Files;
    }
}
