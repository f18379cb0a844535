using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Core;
using SgLang.Grammars.Matching;
using SgLang.Models;
using SgLang.Models.Experts;
using SgLang.Scheduling;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// A loaded model that continues prompts: submit, stream, abort. Thread safe. Each public call is a message to the engine's own thread or
/// reads a snapshot, so callers never wait for a step.
/// </summary>
public sealed class InferenceEngine : IAsyncDisposable
{
    /// <summary>Requests whose time line can be asked for, finished ones included; unfinished ones can be asked for however many there are.</summary>
    public const int RememberedRequests = 1000;

    /// <summary>Name of the log property that says which scheduler a line is from: "TP0", or "DP1 TP0" of several replicas.</summary>
    public const string LogRankProperty = "Rank";

    private readonly ReplicaSet _replicas;
    private readonly Watchdog[] _watchdogs;
    private readonly SchedulerOptions _limits;
    private readonly int _forcedInterval;
    private readonly int[] _eosTokenIds;
    private readonly ExpertCounter[][] _experts;
    private readonly ExpertExchange[][] _exchanges;
    private readonly GrammarStore _grammars;
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _compiling = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Generation> _unfinished = new(StringComparer.Ordinal);
    private readonly Random _seeds;
    private readonly RequestHistory _history = new(RememberedRequests);
    private readonly Lock _pauseGate = new(); // no pause after the drain's end of it
    private volatile bool _isDraining;
    private int _isDisposed;

    internal InferenceEngine(EngineParts parts, ILogger logger)
    {
        Options = parts.Options;
        Info = parts.Info;
        Tokenizer = parts.Tokenizer;
        ChatTemplate = parts.ChatTemplate;
        ModelDefaults = parts.ModelDefaults;
        Profiler = parts.Profiler;
        _eosTokenIds = parts.EosTokenIds;
        _experts = parts.Experts;
        _exchanges = parts.Exchanges;
        _grammars = parts.Grammars ?? new GrammarStore(parts.Options, parts.Tokenizer, parts.Info.VocabularySize);
        _limits = parts.SchedulerOptions;
        _forcedInterval = parts.ForceStreamInterval;
        _seeds = new Random((int)parts.Info.RandomSeed);
        _replicas = new ReplicaSet([.. parts.Replicas.Select((ranks, i) => CreateReplica(i, ranks, parts, logger))], parts.Options.LoadBalanceMethod);
        _watchdogs = [.. _replicas.All.Select(replica => new Watchdog(replica, parts.Options, logger, parts.Profiler.Flight, reason => GiveUp(replica, reason)))];
    }

    /// <summary>Loads and starts. Throws <see cref="EngineStartException"/> with a message for the user.</summary>
    /// <param name="progress">Called with (what, done, total) while weights load.</param>
    public static InferenceEngine Start(EngineOptions options, Action<string, long, long>? progress = null, ILogger? logger = null) => Start(options, progress, logger, null);

    /// <param name="nodes">The other nodes, which the engine does not own; null for none.</param>
    internal static InferenceEngine Start(EngineOptions options, Action<string, long, long>? progress, ILogger? logger, INodes? nodes)
    {
        logger ??= NullLogger.Instance;
        return new InferenceEngine(EngineLoader.Load(options, progress, logger, nodes), logger);
    }

    public EngineOptions Options { get; }
    public EngineInfo Info { get; }
    public EngineStats Stats => _replicas.ReadStats() with { NumGrammarQueue = _grammars.NumWaiting, Grammars = _grammars.Counts };

    /// <summary>Called with the duration of each compilation of a grammar, failed ones too, on the thread that made it.</summary>
    public event Action<TimeSpan>? GrammarCompiled
    {
        add => _grammars.Compiled += value;
        remove => _grammars.Compiled -= value;
    }

    /// <summary>Of each replica, in the order of their ranks.</summary>
    public IReadOnlyList<EngineStats> ReplicaStats => _replicas.ReadStatsOfEach();

    /// <summary>Of each replica, this node's stages alone; empty without <see cref="EngineOptions.EnableExpertDistributionMetrics"/> and for models without experts.</summary>
    public IReadOnlyList<ExpertLoad> ExpertLoads => [.. _experts.Select(counters => ExpertLoad.Of(counters, Options.EpSize))];

    /// <summary>Of each replica; empty where tokens are never exchanged.</summary>
    public IReadOnlyList<ExchangedRows> ExchangedRows => [.. _exchanges.Select(exchanges => Engine.ExchangedRows.Of(exchanges, Options.EpSize))];

    /// <summary>Null with --skip-tokenizer-init or where the model has none; ids still work.</summary>
    public Tokenizer? Tokenizer { get; }
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>Records what the engine and its server do.</summary>
    public EngineProfiler Profiler { get; }

    /// <summary>Sampling defaults of generation_config.json.</summary>
    public SamplingParams ModelDefaults { get; }

    /// <summary>Raised on an engine's thread when cached prefixes had to go, with how long that took; a handler must be quick.</summary>
    public event Action<TimeSpan>? PrefixesEvicted;

    /// <summary>False once the engine has stopped by an error; <see cref="Fault"/> says which.</summary>
    public bool IsAlive => Fault is null;

    /// <summary>Null while any replica lives.</summary>
    public Exception? Fault => _replicas.Fault;

    /// <summary>
    /// Queues a request. Throws <see cref="RequestRejectedException"/> (with its HTTP status) for a prompt too long, an id outside the
    /// vocabulary, parameters out of range, a rid in use, or an engine that is stopping. A full queue answers through the generation: an
    /// abort with status 503. A request with a grammar goes through <see cref="SubmitAsync"/>.
    /// </summary>
    public Generation Submit(GenerationRequest request)
    {
        if (request.Sampling.Grammar is not null) throw new ArgumentException("A request with a grammar is submitted with SubmitAsync, which compiles it.", nameof(request));
        return Submit(request, null);
    }

    /// <summary>As <see cref="Submit(GenerationRequest)"/>, after the request's grammar has been compiled; a grammar that cannot be is refused with status 400.</summary>
    public async ValueTask<Generation> SubmitAsync(GenerationRequest request, CancellationToken cancellation = default)
    {
        if (request.Sampling.Grammar is not { } spec) return Submit(request, null);
        Validate(request);
        // Not disposed: an abort may come at any time, and without a timer there is nothing to dispose.
        CancellationTokenSource abort = new();
        if (!_compiling.TryAdd(request.Rid, abort)) throw new RequestRejectedException($"Duplicate request ID detected: {request.Rid}", 400);
        try
        {
            await using CancellationTokenRegistration registration = cancellation.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), abort);
            CompiledGrammar grammar = await _grammars.GetAsync(spec, abort.Token).ConfigureAwait(false);
            Generation generation = Submit(request, grammar);
            // An abort that came too late for the wait and too early for the engine's inbox.
            if (abort.IsCancellationRequested && !cancellation.IsCancellationRequested) Abort(request.Rid);
            return generation;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Submit(request, null, EngineMessageKind.SubmitAborted);
        }
        finally
        {
            _compiling.TryRemove(request.Rid, out _);
        }
    }

    /// <summary>
    /// All or none: when one is refused, those before it are aborted and its exception passes on. Requests that share one array of input ids
    /// (n above 1) share its pages: the others follow the first, to the same replica, when its prompt has been computed.
    /// </summary>
    public async ValueTask<Generation[]> SubmitGroupAsync(IReadOnlyList<GenerationRequest> requests, CancellationToken cancellation = default)
    {
        Generation?[] generations = new Generation?[requests.Count];
        Dictionary<int[], Generation> firsts = new(ReferenceEqualityComparer.Instance);
        try
        {
            for (int i = 0; i < generations.Length; i++)
            {
                if (firsts.ContainsKey(requests[i].InputIds)) continue;
                generations[i] = await SubmitAsync(requests[i], cancellation).ConfigureAwait(false);
                firsts.Add(requests[i].InputIds, generations[i]!);
            }
            for (int i = 0; i < generations.Length; i++)
            {
                if (generations[i] is not null) continue;
                Generation first = firsts[requests[i].InputIds];
                if (CanShare(requests[i])) await first.WhenPromptIsComputed().WaitAsync(cancellation).ConfigureAwait(false);
                generations[i] = await SubmitAsync(requests[i] with { DpRank = first.Replica.Index }, cancellation).ConfigureAwait(false);
            }
            return generations!;
        }
        catch
        {
            foreach (Generation? generation in generations)
                if (generation is not null) await generation.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Whether a request can take pages of its prompt from the cache: one token is computed always, and so are scored ones.</summary>
    private bool CanShare(GenerationRequest request)
    {
        int length = request.Logprobs is { StartLength: >= 0 } scored ? Math.Min(scored.StartLength, request.InputIds.Length - 1) : request.InputIds.Length - 1;
        return !Options.DisableRadixCache && length >= Options.PageSize;
    }

    private Generation Submit(GenerationRequest request, CompiledGrammar? grammar, EngineMessageKind kind = EngineMessageKind.Submit)
    {
        Validate(request);
        TextAssembler text = new(Tokenizer, request.Sampling);
        // Every draw has a seed; without one from the user the engine's own generator gives it, so --random-seed repeats a run.
        SamplingParams sampling = request.Sampling;
        long seed;
        lock (_seeds) seed = _seeds.NextInt64();
        int[] stops = sampling.StopTokenIds.Count == 0 ? _eosTokenIds : [.. _eosTokenIds.Union(sampling.StopTokenIds)];
        Replica replica = _replicas.Dispatch(request.InputIds, request.ExtraKey, request.DpRank);
        RequestRecord record = new(request, replica.Loop.PlanLog);
        Request scheduled = new(request.Rid, request.InputIds, sampling, sampling.IgnoreEos && grammar is null ? [] : stops, request.Logprobs)
        {
            Priority = request.Priority,
            RoutingKey = request.RoutingKey,
            ExtraKey = request.ExtraKey,
            IsProbe = request.IsProbe,
            Timeline = record.Timeline,
            WantsEmbedding = request.WantsEmbedding,
        };
        Generation generation = new(this, request, scheduled, record, replica, text, stops, Options.StreamInterval, _forcedInterval, seed, grammar);
        scheduled.Owner = generation;
        if (!_unfinished.TryAdd(request.Rid, generation))
        {
            replica.Remove(request.InputIds.Length);
            throw new RequestRejectedException($"Duplicate request ID detected: {request.Rid}", 400);
        }
        if (!request.IsProbe) _history.Add(record);
        replica.Loop.Post(new EngineMessage(kind, generation));
        replica.Loop.AnswerIfEnded();
        return generation;
    }

    /// <summary>What is known of a request, unfinished or lately finished; null when nothing is.</summary>
    public RequestRecord? FindRequest(string rid) => _unfinished.TryGetValue(rid, out Generation? generation) ? generation.Record : _history.Find(rid);

    /// <summary>The latest requests, newest first.</summary>
    public IReadOnlyList<RequestRecord> RecentRequests(int max) => _history.Recent(max);

    /// <summary>Aborts every unfinished request whose rid starts with <paramref name="ridPrefix"/>; unknown ones are ignored.</summary>
    public void Abort(string ridPrefix)
    {
        if (ridPrefix.Length == 0) return;
        AbortCompiling(ridPrefix);
        _replicas.Post(new EngineMessage(EngineMessageKind.AbortPrefix, RidPrefix: ridPrefix));
    }

    public void AbortAll()
    {
        AbortCompiling("");
        _replicas.Post(new EngineMessage(EngineMessageKind.AbortAll));
    }

    /// <summary>Empties the prefix cache if nothing runs or waits, waiting up to <paramref name="timeout"/> for that; else returns false.</summary>
    public async Task<bool> FlushCacheAsync(TimeSpan timeout)
    {
        bool isFlushed = await _replicas.AskAsync(new EngineMessage(EngineMessageKind.FlushCache, TimeoutMilliseconds: (int)Math.Clamp(timeout.TotalMilliseconds, 0, int.MaxValue))).ConfigureAwait(false);
        if (isFlushed) _grammars.Clear();
        return isFlushed;
    }

    /// <summary>
    /// Computes nothing more until <see cref="Resume"/>; requests that come meanwhile wait. Completes when the steps under way have ended. Pausing again
    /// applies the new mode to what there is then. Throws <see cref="RequestRejectedException"/> (503) of an engine that has stopped or is stopping.
    /// </summary>
    public async Task PauseAsync(PauseMode mode)
    {
        Task<bool> paused;
        lock (_pauseGate)
        {
            if (_isDraining) throw new RequestRejectedException("The server is shutting down.", 503);
            if (mode == PauseMode.Abort) AbortCompiling("");
            paused = _replicas.AskAsync(new EngineMessage(EngineMessageKind.Pause, PauseMode: mode));
        }
        if (!await paused.ConfigureAwait(false)) throw new RequestRejectedException($"The engine has stopped: {Fault?.Message}", 503);
    }

    /// <summary>Ends a pause; without one nothing happens.</summary>
    public void Resume() => _replicas.Post(new EngineMessage(EngineMessageKind.Resume));

    /// <summary>Refuses new requests (503), ends a pause, and completes when the running ones have finished.</summary>
    public async Task DrainAsync(CancellationToken cancellation = default)
    {
        lock (_pauseGate)
        {
            _isDraining = true;
            Resume();
        }
        while (!_unfinished.IsEmpty && IsAlive) await Task.Delay(20, cancellation).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _isDraining = true;
            foreach (Watchdog watchdog in _watchdogs) watchdog.Dispose();
            _replicas.Dispose();
            Profiler.Dispose();
        }
        return ValueTask.CompletedTask;
    }

    internal void AbortExactly(Generation generation) =>
        generation.Replica.Loop.Post(new EngineMessage(EngineMessageKind.AbortExactly, generation, Reason: FinishReason.Abort("The client went away.")));

    internal void FinishAt(Generation generation, int outputLength, FinishReason reason) =>
        generation.Replica.Loop.Post(new EngineMessage(EngineMessageKind.FinishAt, generation, OutputLength: outputLength, Reason: reason));

    private Replica CreateReplica(int index, RankGroup ranks, EngineParts parts, ILogger logger)
    {
        Scheduler scheduler = new(parts.SchedulerOptions) { Evicted = took => PrefixesEvicted?.Invoke(took) };
        EngineLoop loop = new(scheduler, ranks, parts.Options, parts.Graphs, logger, parts.Profiler, index, Forget, () => _unfinished.Values.Where(generation => generation.Replica.Index == index));
        return new Replica(index, loop, scheduler);
    }

    /// <summary>The replica's thread will not: whoever waits is told. The server brings itself down when no replica is left.</summary>
    private void GiveUp(Replica replica, EngineStalledException reason)
    {
        replica.Loop.GiveUp(reason);
        foreach (Generation generation in _unfinished.Values.Where(generation => generation.Replica == replica))
        {
            Forget(generation);
            generation.End(FinishReason.Abort(reason.Message, 500));
        }
    }

    /// <summary>Requests that still wait for their grammar are not the replicas' yet.</summary>
    private void AbortCompiling(string ridPrefix)
    {
        foreach ((string rid, CancellationTokenSource abort) in _compiling)
            if (rid.StartsWith(ridPrefix, StringComparison.Ordinal)) abort.Cancel();
    }

    private void Forget(Generation generation)
    {
        if (_unfinished.TryRemove(new KeyValuePair<string, Generation>(generation.Rid, generation))) generation.Replica.Remove(generation.Scheduled.PromptLength);
    }

    private void Validate(GenerationRequest request)
    {
        if (!IsAlive) throw new RequestRejectedException($"The engine has stopped: {Fault?.Message}", 503);
        if (_isDraining) throw new RequestRejectedException("The server is shutting down.", 503);
        if (request.DpRank is { } rank && (uint)rank >= (uint)_replicas.Count)
            throw new RequestRejectedException($"routed_dp_rank must be in [0, {_replicas.Count - 1}], got {rank}.", 400);
        int[] ids = request.InputIds;
        if (request.WantsEmbedding && request.Sampling.MaxNewTokens != 0)
            throw new ArgumentException("A request for an embedding generates nothing: its MaxNewTokens is 0.", nameof(request));
        if (ids.Length == 0) throw new RequestRejectedException("input_ids cannot be empty.", 400);
        foreach (int id in ids)
            if ((uint)id >= (uint)Info.VocabularySize)
                throw new RequestRejectedException($"input_ids must be in [0, {Info.VocabularySize - 1}], got {id}.", 400);
        if (request.Sampling.Validate(Info.VocabularySize) is { } message) throw new RequestRejectedException(message, 400);
        if (Tokenizer is null && request.Sampling.HasTextStop)
            throw new RequestRejectedException("stop and stop_regex need a tokenizer, and this server runs without one; use stop_token_ids.", 400);
        if (request.Sampling.Grammar is { } grammar && _eosTokenIds.Length == 0 && request.Sampling.StopTokenIds.Count == 0)
            throw new RequestRejectedException($"{grammar.FieldName} needs a token that ends the output, and the model has none; give stop_token_ids.", 400);
        if (ids.Length >= Info.ContextLength)
            throw new RequestRejectedException($"The input ({ids.Length} tokens) is longer than the model's context length ({Info.ContextLength} tokens).", 400);
        if (request.Sampling.MaxNewTokens is { } wanted && ids.Length + wanted > Info.ContextLength)
            throw new RequestRejectedException(
                $"Requested token count exceeds the model's maximum context length of {Info.ContextLength} tokens. You requested a total of " +
                $"{ids.Length + wanted} tokens: {ids.Length} tokens from the input messages and {wanted} tokens for the completion. " +
                "Please reduce the number of tokens in the input messages or the completion to fit within the limit.", 400);
        if (ids.Length >= _limits.MaxRequestInputLength)
            throw new RequestRejectedException(
                $"Input length ({ids.Length} tokens) exceeds the maximum allowed length ({_limits.MaxRequestInputLength} tokens). Use a shorter input " +
                "or start the server with a larger --max-total-tokens.", 400);
        if (request.Logprobs?.Validate(ids.Length, Info.VocabularySize) is { } wrong) throw new RequestRejectedException(wrong, 400);
    }
}
