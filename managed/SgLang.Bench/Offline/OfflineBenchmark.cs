using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using SgLang.Bench.Datasets;
using SgLang.Bench.Reports;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Bench.Offline;

/// <summary>Throughput of the engine in this process: all prompts are handed over at once (spec/benchmarks.md 5).</summary>
public static class OfflineBenchmark
{
    private const int WarmUpPrompts = 16;
    private const int WarmUpInput = 256;
    private const int WarmUpOutput = 16;

    /// <exception cref="BenchException">No request succeeded.</exception>
    public static async Task<OfflineResult> RunAsync(OfflineOptions options, TextWriter output, Action<string, long, long>? progress = null, ILogger? logger = null,
        CancellationToken cancellation = default)
    {
        ResultFile.CheckWritable("--result-filename", options.ResultFile);
        if (options.Profile is { } asked) ResultFile.CheckDirectory("--profile-output-dir (or SGLANG_TORCH_PROFILER_DIR)", asked.Directory);
        await using InferenceEngine engine = InferenceEngine.Start(options.Engine, progress, logger);
        var vocabulary = new Vocabulary(engine.Tokenizer, engine.Info.VocabularySize);
        int context = engine.Info.MaxRequestInputLength;
        Dataset dataset = DatasetBuilder.Build(options.Dataset with { TokenizePrompt = true, ShareGptContextLength = options.Dataset.ShareGptContextLength ?? context }, vocabulary, output);
        if (dataset.Rows.Any(row => row.Ids is null)) throw new BenchUsageException($"--dataset-name {dataset.Name} is made of messages, which the engine alone does not take; measure a server, with bench-serving and a chat backend");
        if (!options.SkipWarmup)
        {
            int count = Math.Min(dataset.Rows.Count, WarmUpPrompts);
            int input = Math.Max(1, Math.Min(WarmUpInput, context - WarmUpOutput - 1));
            // Another seed than the data set's, so that nothing measured is in the prefix cache.
            DatasetOptions warmUp = new()
            {
                Name = "random-ids", NumPrompts = count, RandomInputLength = input, RandomOutputLength = WarmUpOutput, RandomRangeRatio = 1, TokenizePrompt = true,
                Seed = unchecked(options.Dataset.Seed + 1),
            };
            await GenerateAsync(engine, DatasetBuilder.Build(warmUp, vocabulary, TextWriter.Null).Rows, options, cancellation);
            await engine.FlushCacheAsync(TimeSpan.FromSeconds(5));
        }

        OfflineProfiler? profiler = options.Profile is { } profile ? new OfflineProfiler(engine.Profiler, profile, output) : null;
        profiler?.Start();
        long steps = engine.Stats.NumSteps;
        long cached = engine.Stats.CachedTokens;
        long start = Stopwatch.GetTimestamp();
        Outcome[] outcomes;
        double seconds;
        using (ProgressLine? line = options.ProgressOutput is { } terminal ? new ProgressLine(terminal, dataset.Rows.Count) : null)
        {
            outcomes = await GenerateAsync(engine, dataset.Rows, options, cancellation, line);
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        IReadOnlyList<string>? traces = profiler is null ? null : await profiler.StopAsync();
        Outcome[] good = [.. outcomes.Where(o => o.Error is null)];
        var result = new OfflineResult
        {
            Dataset = dataset,
            TotalLatency = seconds,
            SuccessfulRequests = good.Length,
            InputTokens = good.Sum(o => (long)o.PromptTokens),
            OutputTokens = good.Sum(o => (long)o.OutputTokens),
            CachedTokens = engine.Stats.CachedTokens - cached,
            NumSteps = engine.Stats.NumSteps - steps,
            LastGenerationThroughput = engine.Stats.GenerationThroughput is > 0 and var last ? last : null,
            ProfileFiles = traces,
            Failures = outcomes.Where(o => o.Error is not null).GroupBy(o => o.Error!).ToDictionary(g => g.Key, g => g.Count()),
        };
        ResultFile.Append(options.ResultFile, RunFacts.AddTo(result.ToJson(), "bench-offline-throughput", options.Arguments, engine.Info));
        await output.WriteAsync(result.ToReport());
        return result;
    }

    private static Task<Outcome[]> GenerateAsync(InferenceEngine engine, IReadOnlyList<PromptRow> rows, OfflineOptions options, CancellationToken cancellation, ProgressLine? progress = null) =>
        Task.WhenAll([.. rows.Select(async (row, i) =>
        {
            Outcome outcome = await RunOneAsync(engine, row, i, options, cancellation);
            progress?.Tick(outcome.Error is null, outcome.OutputTokens);
            return outcome;
        })]);

    private static async Task<Outcome> RunOneAsync(InferenceEngine engine, PromptRow row, int index, OfflineOptions options, CancellationToken cancellation)
    {
        try
        {
            await using Generation generation = engine.Submit(new GenerationRequest
            {
                Rid = $"bench-{index}",
                InputIds = row.Ids!,
                Sampling = Sampling(row, options, engine.Info.VocabularySize),
                Logprobs = options.ReturnLogprob ? new LogprobOptions { StartLength = options.LogprobStartLength } : null,
            });
            FinishReason? finish = null;
            while (await generation.ReadAsync(cancellation) is { } chunk) finish = chunk.Finish;
            return finish is { Kind: FinishKind.Abort } aborted
                ? new Outcome(0, 0, aborted.Text ?? "aborted")
                : new Outcome(generation.PromptTokens, generation.CompletionTokens, null);
        }
        catch (RequestRejectedException e)
        {
            return new Outcome(0, 0, e.Message);
        }
    }

    /// <exception cref="BenchException">The extra parameters are not those of /generate.</exception>
    private static SamplingParams Sampling(PromptRow row, OfflineOptions options, int vocabularySize)
    {
        SamplingParams usual = new() { Temperature = 0, MaxNewTokens = row.OutputLength, IgnoreEos = options.IgnoreEos };
        if (options.ExtraSampling.Count == 0) return usual;
        JsonObject merged = new() { ["temperature"] = 0, ["max_new_tokens"] = row.OutputLength, ["ignore_eos"] = options.IgnoreEos };
        foreach ((string key, JsonNode? value) in options.ExtraSampling) merged[key] = value?.DeepClone();
        try
        {
            return merged.Deserialize(ProtocolJsonContext.Default.SamplingParamsBody)!.ToSamplingParams(vocabularySize);
        }
        catch (Exception e) when (e is JsonException or InvalidRequestException)
        {
            throw new BenchUsageException($"--extra-request-body: {e.Message}");
        }
    }

    private readonly record struct Outcome(int PromptTokens, int OutputTokens, string? Error);
}
