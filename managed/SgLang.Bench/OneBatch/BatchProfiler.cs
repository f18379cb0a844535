using System.Globalization;
using System.Text.Json;
using SgLang.Engine;
using SgLang.Profiling;

namespace SgLang.Bench.OneBatch;

/// <summary>
/// Runs a case once more under the profiler: its prefill in one file, some of its decode steps in another (spec/profiling.md 8.2). What it
/// measures is slower and not kept.
/// </summary>
internal sealed class BatchProfiler(StaticBatch model, BatchProfileOptions options, TextWriter output)
{
    private const int RowsShown = 20;

    private bool IsRangeOnly => options.Activities.Contains("CUDA_PROFILER");

    /// <returns>The files written.</returns>
    /// <exception cref="BenchException">Nothing can be recorded, or no file be written.</exception>
    public IReadOnlyList<string> Run(int[][] prompts, int inputLength, int outputLength)
    {
        string name = $"{options.Prefix}_batch{prompts.Length}_input{inputLength}_output{outputLength}";
        List<string> files = [];
        model.Begin(prompts, outputLength);
        if (options.Stage == "decode") model.Prefill();
        else Record($"{name}_prefill", model.NumPrefillSteps, () => model.Prefill(), files);

        int numSteps = outputLength - 1;
        if (options.Stage == "prefill" || numSteps == 0) return files;
        // By default the middle of the answer, where keys and values are of half the length they grow by.
        int first = options.StartStep ?? outputLength / 2;
        if (first >= numSteps)
        {
            if (options.StartStep is not null) output.WriteLine($"--profile-start-step {first} is beyond the last decode step of this case, {numSteps - 1}, which is recorded instead.");
            first = numSteps - 1;
        }
        int count = Math.Min(options.Steps, numSteps - first);
        Decode(first);
        Record($"{name}_decode", count, () => Decode(count), files);
        return files;
    }

    private void Decode(int steps) => model.Decode(new double[steps], new double[steps]);

    /// <summary>The work's steps, as many as are told, are all of a window.</summary>
    private void Record(string name, int numSteps, Action work, List<string> files)
    {
        ProfileOptions window = new()
        {
            OutputDirectory = options.Directory,
            Id = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            FileName = name + TraceFileNames.Extension,
            NumSteps = numSteps,
            Activities = IsRangeOnly ? ["CUDA_PROFILER"] : options.Activities,
            RecordShapes = options.RecordShapes,
            WithStack = options.WithStack,
        };
        if (model.Profiler.ReasonAgainst(window) is { } reason) throw new BenchUsageException($"--profile-activities: {reason}");
        try
        {
            if (model.Profiler.Start(window) is { } refusal) throw new BenchException($"--profile: {refusal}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"--profile: cannot write to {options.Directory}: {e.Message} SGLANG_TORCH_PROFILER_DIR names another directory.");
        }
        Task<ProfileResult>? stopping;
        try
        {
            work();
        }
        finally
        {
            stopping = model.Profiler.Stop();
        }
        ProfileResult result = stopping?.GetAwaiter().GetResult() ?? model.Profiler.Results[^1];
        if (result.Error is { } error) throw new BenchException($"--profile: the trace could not be written: {error}");
        files.AddRange(result.Files);
        foreach (string file in result.Files) output.WriteLine($"Trace: {file}");
        // All ranks do alike.
        if (result.Files.Count > 0) ShowOperators(result.Files[0]);
    }

    private void ShowOperators(string file)
    {
        try
        {
            TraceAnalysis analysis = TraceAnalyzer.Analyze([file]);
            output.Write(AnalysisText.WriteOperatorShapes(analysis, RowsShown));
            if (!analysis.HasShapes) output.WriteLine("--profile-record-shapes tells the shapes of inputs as well.");
        }
        catch (Exception e) when (e is JsonException or InvalidDataException or IOException)
        {
            output.WriteLine($"The trace could not be read back: {e.Message}");
        }
    }
}
