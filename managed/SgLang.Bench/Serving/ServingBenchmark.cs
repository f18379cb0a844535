using System.Globalization;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Serving;

/// <summary>
/// Many independent streaming requests to a running server (spec/benchmarks.md 6). :: 1 wait for it, 2 model and tokenizer, 3 data set, 4 warm-up,
/// 5 flush, 6 profiler, 7 load, 8 figures.
/// </summary>
public sealed class ServingBenchmark(ServingOptions options, TextWriter output, TextWriter error)
{
    private const int LongestWarmUp = 32;
    private static readonly TimeSpan s_pauseAfterFlush = TimeSpan.FromSeconds(1);

    /// <exception cref="BenchException">It could not be run; a run whose requests failed is a result, not an exception.</exception>
    public async Task<ServingMetrics> RunAsync(CancellationToken cancellation = default)
    {
        // :: Step 1.
        using ServerClient client = new(options);
        if (options.ReadyTimeout > 0)
        {
            await output.WriteLineAsync(FormattableString.Invariant($"Waiting up to {options.ReadyTimeout}s for {options.BaseUrl} to become ready..."));
            if (!await client.WaitUntilReadyAsync(TimeSpan.FromSeconds(options.ReadyTimeout), cancellation))
                throw new BenchException(FormattableString.Invariant($"Server did not become ready within {options.ReadyTimeout}s timeout. Server at {options.BaseUrl} is not ready. Start one with 'sglang launch-server', or name another with --base-url."));
        }

        // :: Step 2.
        JsonNode? card = (await client.GetJsonAsync("/v1/models", cancellation))?["data"]?[0];
        string model = options.Model ?? (string?)card?["id"] ?? throw new BenchException($"{options.BaseUrl} names no model at /v1/models; name it with --model");
        int? context = (int?)card?["max_model_len"];
        Vocabulary vocabulary = await VocabularyAsync(client, model, cancellation);

        // :: Step 3. Requests are made whole before the clock starts.
        DatasetOptions wanted = options.Dataset with { ShareGptContextLength = options.Dataset.ShareGptContextLength ?? (context is { } length ? length - 8 : null) };
        Dataset dataset = DatasetBuilder.Build(wanted, vocabulary, output);
        string name = options.ServedModelName ?? model;
        byte[][] bodies = [.. dataset.Rows.Select(row => client.Encode(row, row.OutputLength, name))];

        // :: Step 4. A different beginning, so that nothing measured is in the prefix cache.
        if (options.WarmupRequests > 0) await WarmUpAsync(client, dataset.Rows[0], name, vocabulary, cancellation);

        // :: Step 5.
        if (options.FlushCache)
        {
            string path = options.Backend.IsSglang ? FormattableString.Invariant($"{options.Backend.FlushPath}?timeout={options.FlushCacheTimeout}") : options.Backend.FlushPath;
            if (await client.PostAsync(new Uri(options.BaseUrl, path), null, cancellation) is { } failure)
                throw new BenchException($"--flush-cache: {options.BaseUrl} did not flush its cache: {failure}");
            await Task.Delay(s_pauseAfterFlush, cancellation);
        }

        // :: Step 6.
        ServerProfiler? profiler = options.Profile is { } profile ? new ServerProfiler(profile, client, options.BaseUrl, output) : null;
        if (profiler is not null) await profiler.StartAsync(cancellation);

        // :: Step 7.
        double[] due = LoadGenerator.Schedule(bodies.Length, options.RequestRate, new NumpyRandom(options.Dataset.Seed));
        RequestRecord[] records = [.. dataset.Rows.Select((row, i) => new RequestRecord(i) { PlannedInput = row.PromptLength })];
        using (ProgressLine? progress = options.ShowsProgress ? new ProgressLine(error, records.Length) : null)
        {
            await LoadGenerator.RunAsync(due, options.MaxConcurrency, records, async i =>
            {
                await client.SendAsync(bodies[i], records[i], cancellation);
                progress?.Tick();
            }, cancellation);
        }
        if (profiler is not null) await profiler.StopAsync(cancellation);

        // :: Step 8.
        JsonNode? serverInfo = options.Backend.IsSglang ? await client.GetJsonAsync("/server_info", cancellation) : null;
        ServingMetrics metrics = ServingMetrics.Of(records, !double.IsInfinity(options.RequestRate),
            vocabulary.Tokenizer is { } tokenizer ? text => tokenizer.Encode(text, addSpecialTokens: false).Length : null);
        JsonObject result = RunFacts.AddTo(ServingReport.ToJson(options, metrics, dataset, serverInfo, client.ConnectTimes), "bench-serving", options.Arguments);
        result["device"] = serverInfo?["device"]?.DeepClone();
        result["model"] = model;
        if (options.OutputDetails) ServingReport.AddDetails(result, records);
        ResultFile.Append(options.OutputFile ?? DefaultFile(), result);
        await output.WriteAsync(ServingReport.ToText(options, metrics));
        return metrics;
    }

    private async Task WarmUpAsync(ServerClient client, PromptRow first, string model, Vocabulary vocabulary, CancellationToken cancellation)
    {
        await output.WriteLineAsync($"Starting warmup with {options.WarmupRequests} sequences...");
        PromptRow row = first.Text is not null
            ? first with { Text = "Warm-up. " + first.Text }
            : first with { Ids = [.. first.Ids!.Select(id => (id + 1) % vocabulary.Size)] };
        byte[] body = client.Encode(row, Math.Min(first.OutputLength, LongestWarmUp), model);
        RequestRecord[] records = [.. Enumerable.Range(0, options.WarmupRequests).Select(i => new RequestRecord(i))];
        await Task.WhenAll(records.Select(record => client.SendAsync(body, record, cancellation)));
        if (!records.Any(record => record.IsSuccess))
            throw new BenchException($"Warmup failed - Please make sure benchmark arguments are correctly specified. Error: {records[0].Error}");
        await output.WriteLineAsync($"Warmup completed with {options.WarmupRequests} sequences. Starting main benchmark run...");
    }

    /// <summary>The tokenizer of this machine's copy of the model; else, from the server, at least the number of ids.</summary>
    private async Task<Vocabulary> VocabularyAsync(ServerClient client, string model, CancellationToken cancellation)
    {
        JsonNode? info = options.Backend.IsSglang ? await client.GetJsonAsync("/model_info", cancellation) : null;
        string directory = options.Tokenizer ?? (string?)info?["tokenizer_path"] ?? (string?)info?["model_path"] ?? model;
        try
        {
            if (options.Tokenizer is not null || File.Exists(Path.Combine(directory, "tokenizer.json"))) return Vocabulary.Of(Tokenizer.Load(directory));
            string config = Path.Combine(directory, "config.json");
            if (File.Exists(config) && (int?)JsonNode.Parse(await File.ReadAllTextAsync(config, cancellation))?["vocab_size"] is { } size) return new Vocabulary(null, size);
        }
        catch (TokenizerException e)
        {
            throw new BenchException($"--tokenizer: {e.Message}");
        }
        throw new BenchException($"no tokenizer.json and no config.json in '{directory}'; name the model's directory on this machine with --tokenizer");
    }

    private string DefaultFile()
    {
        DatasetOptions d = options.Dataset;
        string prefix = $"{options.Backend.Name}_{DateTime.Now.ToString("MMdd", CultureInfo.InvariantCulture)}_{d.NumPrompts}_";
        return prefix + (d.Name.StartsWith("random", StringComparison.Ordinal) ? $"{d.RandomInputLength}_{d.RandomOutputLength}.jsonl" : $"{d.Name}.jsonl");
    }
}
