using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Http;
using SgLang.Bench.Load;
using SgLang.Bench.Profiling;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Serving;

/// <summary>A server, a data set and the bytes of its requests: what runs of several rates and repeats share. Made before any clock starts.</summary>
internal sealed class ServingSession : IDisposable
{
    private const int LongestWarmUp = 32;
    private const string WarmUpBeginning = "Warm-up. ";

    /// <summary>Connections opened beforehand for a load whose concurrency is not known.</summary>
    private const int UsualConnections = 64;
    private const int MostConnections = 4096;
    private static readonly TimeSpan s_pauseAfterFlush = TimeSpan.FromSeconds(1);

    private readonly ServingOptions _options;
    private readonly TextWriter _output;
    private readonly TextWriter _error;
    private readonly ServerApi _api;
    private readonly string _model;
    private readonly string _name;
    private readonly Vocabulary _vocabulary;
    private readonly Dataset _dataset;
    private readonly string?[] _adapters;
    private readonly LoadRequest[] _requests;

    private ServingSession(ServingOptions options, TextWriter output, TextWriter error, ServerApi api, string model, Vocabulary vocabulary, Dataset dataset)
    {
        _options = options;
        _output = output;
        _error = error;
        _api = api;
        _model = model;
        _name = options.ServedModelName ?? model;
        _vocabulary = vocabulary;
        _dataset = dataset;
        _adapters = LoraChoice.For(dataset.Rows.Count, options.LoraNames, options.LoraDistribution, options.LoraZipfAlpha, options.Dataset.Seed);
        _requests = [.. dataset.Rows.Select((row, i) => Request(row, row.OutputLength, _adapters[i]))];
    }

    public Dataset Dataset => _dataset;
    public string Model => _model;

    /// <summary>:: 1 wait for the server, 2 model and tokenizer, 3 data set, 4 warm-up.</summary>
    public static async Task<ServingSession> OpenAsync(ServingOptions options, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        ServerApi api = new(options.BaseUrl, options.Authorization, options.Headers);
        try
        {
            // :: Step 1.
            await WaitAsync(api, options, output, cancellation);

            // :: Step 2.
            JsonNode? card = options.Backend.NeedsModel ? null : (await api.GetJsonAsync("/v1/models", cancellation))?["data"]?[0];
            string model = options.Model ?? (string?)card?["id"] ?? throw new BenchException($"{options.BaseUrl} names no model at /v1/models; name it with --model");
            JsonNode? info = options.Backend.IsSglang ? await api.GetJsonAsync("/model_info", cancellation) : null;
            string directory = options.Tokenizer ?? (string?)info?["tokenizer_path"] ?? (string?)info?["model_path"] ?? model;
            Vocabulary vocabulary = await VocabularyFinder.FindAsync(directory, options.Tokenizer is not null, "--tokenizer", cancellation);

            // :: Step 3.
            int? context = (int?)card?["max_model_len"];
            DatasetOptions wanted = options.Dataset with { ShareGptContextLength = options.Dataset.ShareGptContextLength ?? (context is { } length ? length - 8 : null) };
            Dataset dataset = DatasetBuilder.Build(wanted, vocabulary, output);
            if (!options.Backend.IsChat && dataset.Rows.Any(row => row.LaterTurns.Count > 0)) throw new BenchUsageException($"conversations of several turns need a chat backend, not --backend {options.Backend.Name}");
            if (options.UseTraceTimestamps && dataset.Rows.Any(row => row.Timestamp is null)) throw new BenchUsageException($"--use-trace-timestamps: the data set {dataset.Name} has no time stamps; use mooncake, or custom lines with a timestamp each");
            ServingSession session = new(options, output, error, api, model, vocabulary, dataset);

            // :: Step 4.
            if (options.WarmupRequests > 0) await session.WarmUpAsync(cancellation);
            return session;
        }
        catch
        {
            api.Dispose();
            throw;
        }
    }

    public void Dispose() => _api.Dispose();

    /// <summary>:: 1 flush, 2 profiler, 3 load, 4 figures.</summary>
    public async Task<ServingRun> RunAsync(ArrivalOptions arrivals, int repeat, CancellationToken cancellation)
    {
        // :: Step 1.
        if (_options.FlushCache) await FlushAsync(cancellation);

        // :: Step 2.
        ServerProfiler? profiler = _options.Profile is { } profile ? new ServerProfiler(profile, _options.ProfiledWorkers, _api, _output) : null;
        if (profiler is not null) await profiler.StartAsync(cancellation);

        // :: Step 3. Every repeat has a schedule of its own.
        bool isTrace = _options.UseTraceTimestamps;
        bool isOpenLoop = isTrace || arrivals.IsOpenLoop;
        double[] due = isTrace
            ? [.. _dataset.Rows.Select(row => row.Timestamp!.Value)]
            : ArrivalSchedule.Draw(_requests.Length, arrivals, new NumpyRandom(unchecked(_options.Dataset.Seed + (uint)repeat)));
        using ILoadClient client = Client();
        await client.OpenAsync(Math.Min(MostConnections, Math.Min(_requests.Length, _options.MaxConcurrency ?? (isOpenLoop ? UsualConnections : int.MaxValue))), cancellation);
        Conversation conversation = new(_dataset, (row, i) => Request(row, row.OutputLength, _adapters[i]));
        RequestRecord[] first = [.. _dataset.Rows.Select((row, i) => new RequestRecord(i, row.OutputLength) { PlannedInput = row.PromptLength, PlannedOutput = row.OutputLength })];
        TimeSpan processorTime = Environment.CpuUsage.TotalTime;
        using (ProgressLine? progress = _options.ShowsProgress ? new ProgressLine(_error, conversation.NumRequests) : null)
        {
            LoadGenerator generator = new(client, _options.MaxConcurrency) { Completed = progress is null ? null : progress.Tick, Next = conversation.HasLaterTurns ? conversation.Next : null };
            await generator.RunAsync(due, _requests, first, cancellation);
        }
        processorTime = Environment.CpuUsage.TotalTime - processorTime;
        RequestRecord[] records = [.. first, .. conversation.LaterRecords];
        if (profiler is not null) await profiler.StopAsync(cancellation);

        // :: Step 4.
        JsonNode? serverInfo = _options.Backend.IsSglang ? await _api.GetJsonAsync("/server_info", cancellation) : null;
        Func<string, int>? count = _vocabulary.Tokenizer is { } tokenizer ? text => tokenizer.Encode(text, addSpecialTokens: false).Length : null;
        ServingMetrics metrics = ServingMetrics.Of(records, isOpenLoop, count, _options.Objectives);
        double rate = isTrace ? metrics.AchievedRate ?? double.PositiveInfinity : arrivals.Rate;
        JsonObject line = ServingReport.ToJson(_options, arrivals, metrics, _dataset, serverInfo, client.ConnectTimes);
        RunFacts.AddTo(line, "bench-serving", _options.Arguments);
        line["device"] = serverInfo?["device"]?.DeepClone();
        line["server_version"] = serverInfo?["version"]?.DeepClone();
        line["model"] = _model;
        line["repeat"] = repeat;
        // Of this process while it sent and received: near one core for each of its threads, the client is what was measured.
        line["client_cpu_s"] = processorTime.TotalSeconds;
        line["schedule"] = isTrace ? "trace" : arrivals.RampStrategy is { } ramp ? $"{ramp} ramp" : !arrivals.IsOpenLoop ? "all at once" : double.IsInfinity(arrivals.Burstiness) ? "constant" : arrivals.Burstiness == 1 ? "poisson" : "gamma";
        if (_options.OutputDetails) ServingReport.AddDetails(line, records);
        if (_options.PrintRequests)
            foreach (RequestRecord record in records) await _output.WriteLineAsync(ServingReport.RequestText(record));
        return new ServingRun(rate, repeat, metrics, records, line);
    }

    private static async Task WaitAsync(ServerApi api, ServingOptions options, TextWriter output, CancellationToken cancellation)
    {
        if (!(options.ReadyTimeout > 0)) return;
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        await output.WriteLineAsync(FormattableString.Invariant($"Waiting up to {options.ReadyTimeout}s for {options.BaseUrl} to become ready..."));
        if (await api.WaitUntilReadyAsync(options.Backend.ReadyPath, TimeSpan.FromSeconds(options.ReadyTimeout), cancellation))
        {
            await output.WriteLineAsync(FormattableString.Invariant($"Server ready in {System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds:F1}s."));
            return;
        }
        throw new BenchException(FormattableString.Invariant($"Server did not become ready within {options.ReadyTimeout}s timeout. Server at {options.BaseUrl} is not ready. Start one with 'sglang launch-server', or name another with --base-url."));
    }

    private ILoadClient Client()
    {
        List<KeyValuePair<string, string>> headers = [.. _options.Headers];
        if (_options.Authorization is { } authorization) headers.Add(KeyValuePair.Create("Authorization", authorization));
        LoadClientOptions options = new()
        {
            Address = new Uri(_options.BaseUrl, _options.Backend.Path),
            Shape = _options.Backend.Shape,
            IsStreaming = _options.IsStreaming && _options.Backend.Shape != AnswerShape.Embedding,
            ExpectsDone = _options.Backend.ExpectsDone,
            FreshConnections = _options.FreshConnections,
            Headers = headers,
        };
        if (options.Address.Scheme == Uri.UriSchemeHttps) return new HttpLoadClient(options);
        SocketLoadClient client = new(options);
        foreach (LoadRequest request in _requests) client.Prepare(request);
        return client;
    }

    private LoadRequest Request(PromptRow row, int outputLength, string? adapter) => new(
        System.Text.Encoding.UTF8.GetBytes(ResultFile.ToLine(_options.Backend.Body(row, outputLength, _name, adapter, _options))),
        row.RoutingKey is { } key ? [KeyValuePair.Create("X-SMG-Routing-Key", key)] : null);

    /// <summary>A different beginning than the data set's, so that nothing measured is in the prefix cache.</summary>
    private async Task WarmUpAsync(CancellationToken cancellation)
    {
        int count = _options.WarmupRequests;
        await _output.WriteLineAsync($"Starting warmup with {count} sequences...");
        PromptRow first = _dataset.Rows[0];
        PromptRow row = first.Messages is { } messages ? first with { Messages = ForWarmUp(messages) }
            : first.Text is not null ? first with { Text = WarmUpBeginning + first.Text }
            : first with { Ids = [.. first.Ids!.Select(id => (id + 1) % _vocabulary.Size)] };
        LoadRequest request = Request(row, Math.Min(first.OutputLength, LongestWarmUp), _adapters[0]);
        using ILoadClient client = Client();
        RequestRecord[] records = [.. Enumerable.Range(0, count).Select(i => new RequestRecord(i, LongestWarmUp))];
        await new LoadGenerator(client, null).RunAsync(new double[count], [.. Enumerable.Repeat(request, count)], records, cancellation);
        if (!records.Any(record => record.IsSuccess))
            throw new BenchException($"Warmup failed - Please make sure benchmark arguments are correctly specified. Error: {records[0].Error}");
        await _output.WriteLineAsync($"Warmup completed with {count} sequences. Starting main benchmark run...");
    }

    /// <summary>The first message begins differently, where it is text.</summary>
    private static JsonArray ForWarmUp(JsonArray messages)
    {
        JsonArray changed = (JsonArray)messages.DeepClone();
        if (changed[0] is JsonObject first && first["content"] is JsonValue content && content.TryGetValue(out string? text)) first["content"] = WarmUpBeginning + text;
        return changed;
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        string path = _options.Backend.IsSglang ? FormattableString.Invariant($"{_options.Backend.FlushPath}?timeout={_options.FlushCacheTimeout}") : _options.Backend.FlushPath;
        if (await _api.PostAsync(new Uri(_options.BaseUrl, path), null, cancellation) is { } failure)
            throw new BenchException($"--flush-cache: {_options.BaseUrl} did not flush its cache: {failure}");
        await Task.Delay(s_pauseAfterFlush, cancellation);
    }
}
