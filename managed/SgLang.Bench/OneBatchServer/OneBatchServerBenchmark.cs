using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Http;
using SgLang.Bench.Profiling;
using SgLang.Bench.Reports;
using SgLang.Tokenization;

namespace SgLang.Bench.OneBatchServer;

/// <summary>
/// A static batch through a running server: one request that carries every row (spec/benchmarks.md 4). :: 1 facts of the server, 2 warm-up,
/// 3 clean sweep, 4 the same again under the profiler, 5 report.
/// </summary>
public sealed class OneBatchServerBenchmark(OneBatchServerOptions options, TextWriter output, TextWriter error) : IDisposable
{
    private const int WarmUpOutput = 16;
    private const int FlushTries = 3;
    private static readonly TimeSpan s_betweenFlushes = TimeSpan.FromSeconds(2);

    private readonly ServerApi _api = new(options.BaseUrl, options.Authorization);
    private ServerFacts _facts = null!;
    private Tokenizer? _tokenizer;
    private BatchPrompts _prompts = null!;
    private string _model = "";

    private bool IsNative => options.Backend == "sglang";

    /// <exception cref="BenchException">It could not be run, or a batch failed.</exception>
    public async Task<IReadOnlyList<OneBatchServerResult>> RunAsync(CancellationToken cancellation = default)
    {
        ResultFile.CheckWritable("--result-filename", options.ResultFile);
        ResultFile.CheckWritable("--pydantic-result-filename", options.SummaryFile);
        ResultFile.CheckWritable("GITHUB_STEP_SUMMARY", options.GithubSummaryFile ?? "");

        // :: Step 1.
        JsonNode? info = await _api.GetJsonAsync("/server_info", cancellation);
        _facts = ServerFacts.From(info);
        _model = (string?)(await _api.GetJsonAsync("/v1/models", cancellation))?["data"]?[0]?["id"]
            ?? throw new BenchException($"{options.BaseUrl} does not answer at /v1/models. Start a server with 'sglang launch-server', name another with --base-url, or leave --base-url out to have one started.");
        if (_facts.IsRouter) await error.WriteLineAsync("WARNING: behind a router the limits of the servers are unknown; no case is skipped.");
        JsonNode? model = IsNative ? await _api.GetJsonAsync("/model_info", cancellation) : null;
        string directory = options.LocalTokenizer.Length > 0 ? options.LocalTokenizer
            : _facts.TokenizerPath ?? (string?)model?["tokenizer_path"] ?? _facts.ModelPath ?? (string?)model?["model_path"] ?? _model;
        Vocabulary vocabulary = await VocabularyFinder.FindAsync(directory, options.LocalTokenizer.Length > 0, "--local-tokenizer-path", cancellation);
        _tokenizer = vocabulary.Tokenizer;
        _prompts = new BatchPrompts(options, vocabulary, output);

        // :: Step 2.
        if (!options.SkipWarmup) await WarmUpAsync(cancellation);

        // :: Step 3.
        List<OneBatchServerResult> results = [];
        await SweepAsync(async (batch, input, tokens) =>
        {
            OneBatchServerResult result = await RunCaseAsync(batch, input, tokens, cancellation);
            results.Add(result);
            await output.WriteAsync(result.ToText());
            if (options.Profile is null) Append(result, info);
        });

        // :: Step 4. Profiled batches are slower, so their figures are dropped and only their directory is kept.
        if (options.Profile is { } profile)
        {
            await ProfileAsync(results, profile, cancellation);
            foreach (OneBatchServerResult result in results) Append(result, info);
        }

        // :: Step 5.
        if (options.ResultFile.Length > 0 && results.Count > 0) await output.WriteLineAsync($"\nResults are saved to {options.ResultFile}");
        string report = OneBatchServerReport.ToText(options, results, options.HourlyPrice * _facts.TensorParallelSize);
        if (options.ShowReport) await output.WriteAsync(report);
        if (options.GithubSummaryFile is { } summary) await File.AppendAllTextAsync(summary, report, cancellation);
        if (options.SummaryFile.Length > 0) await WriteSummaryAsync(results, cancellation);
        return results;
    }

    public void Dispose() => _api.Dispose();

    private async Task WarmUpAsync(CancellationToken cancellation)
    {
        int[] batches = [.. options.BatchSizes.Distinct()];
        int input = options.InputLengths[0], tokens = Math.Min(WarmUpOutput, options.OutputLengths[0]);
        await output.WriteLineAsync("======== Warmup Begin ========");
        await output.WriteLineAsync($"Warmup with batch_size=[{string.Join(", ", batches)}]");
        foreach (int batch in batches)
            if (Skip(batch, input, tokens) is null) await RunCaseAsync(batch, input, tokens, cancellation);
        await output.WriteLineAsync("======== Warmup End   ========\n");
    }

    private async Task SweepAsync(Func<int, int, int, Task> run)
    {
        foreach (int batch in options.BatchSizes)
        {
            foreach (int input in options.InputLengths)
            {
                foreach (int tokens in options.OutputLengths)
                {
                    if (Skip(batch, input, tokens) is { } reason) await output.WriteLineAsync(reason);
                    else await run(batch, input, tokens);
                }
            }
        }
    }

    /// <summary>Why a case cannot be measured on this server; null when it can.</summary>
    private string? Skip(int batch, int input, int tokens)
    {
        if (!options.EnableMultiBatch && _facts.RunningLimit is { } limit && batch > limit)
            return $"========Skip benchmark batch_size={batch} > skip_max_running_requests_threshold={limit} due to max running requests limit.========";
        if (_facts.TokenCapacity is { } capacity && (long)batch * (input + tokens) > capacity)
            return $"========Skip benchmark batch_size={batch} * (input_len={input} + output_len={tokens}) = {(long)batch * (input + tokens)} > skip_token_capacity_threshold={capacity} due to kv cache limit.========";
        return null;
    }

    private async Task ProfileAsync(List<OneBatchServerResult> results, ProfileRequest request, CancellationToken cancellation)
    {
        for (int i = 0; i < results.Count; i++)
        {
            OneBatchServerResult clean = results[i];
            try
            {
                ProfileClient profile = new(_api.Http, options.BaseUrl);
                await profile.AnnounceAndBeginAsync(request with { Prefix = $"{request.Prefix}bs-{clean.BatchSize}-il-{clean.InputLength}" }, output, cancellation);
                try
                {
                    await RunCaseAsync(clean.BatchSize, clean.InputLength, clean.OutputLength, cancellation);
                }
                finally
                {
                    // A batch of fewer steps leaves the window open, which the next one would find taken.
                    await profile.StopAsync(cancellation);
                }
                await WaitForFilesAsync(profile, cancellation);
                results[i] = clean with { ProfileDirectory = profile.OutputDirectory };
            }
            catch (Exception e) when (e is BenchException or HttpRequestException)
            {
                await error.WriteLineAsync($"WARNING: batch_size={clean.BatchSize} input_len={clean.InputLength} was not profiled: {e.Message}");
            }
        }
    }

    private async Task WaitForFilesAsync(ProfileClient profile, CancellationToken cancellation)
    {
        try
        {
            await profile.WaitAsync(output, error, bar: null, cancellation);
        }
        catch (HttpRequestException e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            // A server of another make, which does not say when its files are written.
        }
    }

    private async Task<OneBatchServerResult> RunCaseAsync(int batch, int input, int tokens, CancellationToken cancellation)
    {
        await FlushAsync(cancellation);
        int[][] ids = _prompts.Make(batch, input, tokens, _tokenizer);
        if (options.CacheHitRate > 0) await FillCacheAsync(ids, cancellation);
        (double? cachedBefore, double? promptBefore) = await CountersAsync(cancellation);

        JsonObject body = IsNative ? NativeBody(ids, tokens) : CompletionBody(ids, tokens);
        using HttpRequestMessage message = new(HttpMethod.Post, new Uri(options.BaseUrl, IsNative ? "/generate" : "/v1/completions")) { Content = ServerApi.Json(body) };
        BatchAnswerReader reader = new(batch, IsNative);
        long start = Stopwatch.GetTimestamp(), end = await SendAsync(message, reader, cancellation);
        if (reader.LastFirstToken == 0) throw new BenchException($"the answer to a batch of {batch} ended before every row had a token");
        if (IsNative && reader.OutputTokens != (long)batch * tokens) throw new BenchException($"the answer to a batch of {batch} has {reader.OutputTokens} tokens instead of {(long)batch * tokens}");

        (double? cachedAfter, double? promptAfter) = await CountersAsync(cancellation);
        JsonNode? info = IsNative ? await _api.GetJsonAsync("/server_info", cancellation) : null;
        double? counted = promptAfter - promptBefore is > 0 and var prompt ? (cachedAfter - cachedBefore) / prompt : null;
        return new OneBatchServerResult
        {
            RunName = options.RunName,
            BatchSize = batch,
            InputLength = input,
            OutputLength = tokens,
            PromptTokens = ids.Sum(row => (long)row.Length),
            Latency = Seconds(start, end),
            LastTtft = Seconds(start, reader.LastFirstToken),
            LastGenerationThroughput = ServerFacts.LastState(info, "last_gen_throughput") is > 0 and var last ? last : null,
            AcceptLength = ServerFacts.LastState(info, "avg_spec_accept_length"),
            CacheHitRate = counted ?? reader.CacheHitRate,
        };
    }

    /// <summary>Returns when the last byte that matters was received.</summary>
    private async Task<long> SendAsync(HttpRequestMessage message, BatchAnswerReader reader, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage answer = await _api.Http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode) throw new BenchException($"{message.RequestUri} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellation)}");
            await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            LineSplitter lines = new();
            while (!reader.IsDone)
            {
                int count = await stream.ReadAsync(lines.Free(), cancellation).ConfigureAwait(false);
                long at = Stopwatch.GetTimestamp();
                if (count == 0) throw new BenchException("the stream of the batch ended without [DONE]");
                lines.Received(count);
                while (lines.TryRead(out ReadOnlySpan<byte> line)) reader.ReadLine(line, at);
                if (reader.IsDone) return at;
            }
            return Stopwatch.GetTimestamp();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new BenchException($"the batch was not answered: {e.Message}");
        }
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        string path = IsNative ? "/flush_cache" : "/reset_prefix_cache";
        string? failure = null;
        for (int i = 0; i < FlushTries; i++)
        {
            if (i > 0) await Task.Delay(s_betweenFlushes, cancellation);
            failure = await _api.PostAsync(new Uri(options.BaseUrl, path), null, cancellation);
            if (failure is null) return;
        }
        await error.WriteLineAsync($"WARNING: the server did not flush its prefix cache: {failure}");
    }

    /// <summary>Leaves the beginning of each row in the prefix cache.</summary>
    private async Task FillCacheAsync(int[][] ids, CancellationToken cancellation)
    {
        int[][] beginnings = [.. ids.Select(row => row[..(int)(row.Length * options.CacheHitRate)]).Where(row => row.Length > 0)];
        if (beginnings.Length == 0) return;
        JsonObject body = IsNative
            ? new JsonObject { ["input_ids"] = Rows(beginnings), ["sampling_params"] = new JsonObject { ["max_new_tokens"] = 1, ["temperature"] = options.Temperature }, ["stream"] = false }
            : new JsonObject { ["model"] = _model, ["prompt"] = Rows(beginnings), ["max_tokens"] = 1, ["temperature"] = options.Temperature, ["stream"] = false };
        if (await _api.PostAsync(new Uri(options.BaseUrl, IsNative ? "/generate" : "/v1/completions"), body, cancellation) is { } failure)
            throw new BenchException($"--cache-hit-rate: the server refused the prompts that fill its cache: {failure}");
    }

    private async Task<(double? Cached, double? Prompt)> CountersAsync(CancellationToken cancellation)
    {
        string? metrics = IsNative ? await _api.GetTextAsync("/metrics", cancellation) : null;
        return (MetricsCounter.Sum(metrics, "sglang:cached_tokens_total"), MetricsCounter.Sum(metrics, "sglang:prompt_tokens_total"));
    }

    private JsonObject NativeBody(int[][] ids, int tokens)
    {
        JsonObject body = new()
        {
            ["sampling_params"] = new JsonObject
            {
                ["temperature"] = options.Temperature, ["max_new_tokens"] = tokens, ["ignore_eos"] = true, ["json_schema"] = null, ["stream_interval"] = options.StreamInterval,
            },
            ["return_logprob"] = options.ReturnLogprob,
            ["stream"] = true,
            ["input_ids"] = Rows(ids),
        };
        if (options.ParallelBatch) body["parallel_batch"] = true;
        if (options.LoraNames.Count > 0)
            body["lora_path"] = new JsonArray([.. LoraChoice.For(ids.Length, options.LoraNames, options.LoraDistribution, options.LoraZipfAlpha, options.Dataset.Seed).Select(name => (JsonNode?)name)]);
        if (options.FakePrefill)
        {
            body["bootstrap_host"] = "2.2.2.2";
            body["bootstrap_room"] = 0;
        }
        return body;
    }

    private JsonObject CompletionBody(int[][] ids, int tokens) => new()
    {
        ["model"] = _model, ["prompt"] = Rows(ids), ["max_tokens"] = tokens, ["temperature"] = options.Temperature, ["ignore_eos"] = true, ["stream"] = true,
    };

    private void Append(OneBatchServerResult result, JsonNode? info)
    {
        JsonObject line = RunFacts.AddTo(result.ToJson(), "bench-one-batch-server", options.Arguments);
        line["model"] = _model;
        line["device"] = info?["device"]?.DeepClone();
        line["server_version"] = info?["version"]?.DeepClone();
        line["cache_state"] = options.CacheHitRate > 0 ? FormattableString.Invariant($"{options.CacheHitRate} of each prompt cached") : "flushed";
        line["dataset"] = _prompts.Describe(result.BatchSize, result.InputLength, result.OutputLength);
        ResultFile.Append(options.ResultFile, line);
    }

    private async Task WriteSummaryAsync(List<OneBatchServerResult> results, CancellationToken cancellation)
    {
        JsonArray all = [];
        foreach (OneBatchServerResult result in results)
        {
            JsonObject item = result.ToJson();
            item["server_args"] = new JsonArray([.. options.ServerArguments.Select(argument => (JsonNode)argument)]);
            all.Add((JsonNode)item);
        }
        try
        {
            await File.WriteAllTextAsync(options.SummaryFile, ResultFile.ToLine(all) + "\n", cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"--pydantic-result-filename: cannot write '{options.SummaryFile}': {e.Message}");
        }
    }

    private static JsonArray Rows(int[][] ids) => new([.. ids.Select(row => (JsonNode)new JsonArray([.. row.Select(id => (JsonNode)id)]))]);

    private static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
