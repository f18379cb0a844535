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
        await using InferenceEngine engine = InferenceEngine.Start(options.Engine, progress, logger);
        var vocabulary = new Vocabulary(engine.Tokenizer, engine.Info.VocabularySize);
        int context = engine.Info.MaxRequestInputLength;
        Dataset dataset = DatasetBuilder.Build(options.Dataset with { TokenizePrompt = true, ShareGptContextLength = options.Dataset.ShareGptContextLength ?? context }, vocabulary, output);
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
            throw new BenchException($"--extra-request-body: {e.Message}");
        }
    }

    private readonly record struct Outcome(int PromptTokens, int OutputTokens, string? Error);
}

/// <summary>Figures of one offline run; failed requests count in none of them but <see cref="Failures"/>.</summary>
public sealed record OfflineResult
{
    public required Dataset Dataset { get; init; }

    /// <summary>Seconds from handing over the prompts to the last answer's end.</summary>
    public required double TotalLatency { get; init; }
    public required int SuccessfulRequests { get; init; }
    public required long InputTokens { get; init; }
    public required long OutputTokens { get; init; }

    /// <summary>Prompt tokens that were not computed because an earlier prompt of the run had them.</summary>
    public required long CachedTokens { get; init; }
    public required long NumSteps { get; init; }

    /// <summary>As the engine last logged it; null when the run was shorter than its interval.</summary>
    public required double? LastGenerationThroughput { get; init; }

    /// <summary>Reason to number of requests.</summary>
    public required IReadOnlyDictionary<string, int> Failures { get; init; }

    public JsonObject ToJson()
    {
        JsonObject failures = [];
        foreach ((string reason, int count) in Failures) failures[reason] = count;
        return new JsonObject
        {
            ["backend"] = "engine",
            ["successful_requests"] = SuccessfulRequests,
            ["total_latency"] = TotalLatency,
            ["total_input_tokens"] = InputTokens,
            ["total_output_tokens"] = OutputTokens,
            ["request_throughput"] = SuccessfulRequests / TotalLatency,
            ["input_throughput"] = InputTokens / TotalLatency,
            ["output_throughput"] = OutputTokens / TotalLatency,
            ["total_throughput"] = (InputTokens + OutputTokens) / TotalLatency,
            ["last_gen_throughput"] = ResultFile.Number(LastGenerationThroughput),
            ["cached_tokens"] = CachedTokens,
            ["steps"] = NumSteps,
            ["failed_requests"] = Failures.Values.Sum(),
            ["failures"] = failures,
            ["dataset"] = Dataset.ToJson(),
        };
    }

    public string ToReport()
    {
        ReportTable table = new ReportTable()
            .Title(" Offline Throughput Benchmark Result ")
            .Row("Backend:", "engine")
            .Row("Successful requests:", SuccessfulRequests)
            .Row("Benchmark duration (s):", TotalLatency)
            .Row("Total input tokens:", InputTokens)
            .Row("Total generated tokens:", OutputTokens)
            .Row("Last generation throughput (tok/s):", LastGenerationThroughput)
            .Row("Request throughput (req/s):", SuccessfulRequests / TotalLatency)
            .Row("Input token throughput (tok/s):", InputTokens / TotalLatency)
            .Row("Output token throughput (tok/s):", OutputTokens / TotalLatency)
            .Row("Total token throughput (tok/s):", (InputTokens + OutputTokens) / TotalLatency)
            .End();
        return "\n" + table + FailureText.Of(Failures);
    }
}
