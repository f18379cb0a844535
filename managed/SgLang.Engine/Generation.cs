using System.Diagnostics;
using System.Threading.Tasks.Sources;
using SgLang.Core;
using SgLang.Grammars.Matching;
using SgLang.Profiling;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// A request under way. One reader calls <see cref="ReadAsync"/> until it returns null; disposing before that aborts the request,
/// so a client that vanishes frees its pages.
/// </summary>
/// <remarks>
/// Tokens are appended under a short lock, in the engine's order (<see cref="Deliveries"/>); the reader detokenizes and looks for stop strings on the thread
/// pool. What the reader finds (a stop string, a vanished client) goes back to the engine as a message.
/// </remarks>
public sealed class Generation : IAsyncDisposable, IThreadPoolWorkItem, IValueTaskSource<GenerationChunk?>, ISampledRequest
{
    private readonly InferenceEngine _engine;
    private readonly GenerationRequest _request;
    private readonly TextAssembler _text;
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private readonly int _interval, _forcedInterval;

    private readonly Lock _gate = new();
    private List<TokenRecord> _arrived;
    private InputLogprobs? _inputLogprobs;
    private float[]? _embedding;
    private bool _hasSentInputLogprobs;
    private FinishReason? _finish;
    private long _firstToken;
    private long _finished;
    private TaskCompletionSource? _promptIsComputed;
    private bool _isWaiting;
    private ManualResetValueTaskSourceCore<GenerationChunk?> _next = new() { RunContinuationsAsynchronously = false };

    // The engine thread's side.
    private readonly List<TokenLogprob> _promptScores = [];
    private readonly List<IReadOnlyList<TokenLogprob>?> _promptTop = [];
    private readonly List<IReadOnlyList<TokenLogprob>?> _promptChosen = [];
    private float _nextLogprob = float.NaN;
    private TokenLogprob[]? _nextTop;
    private TokenLogprob[]? _nextChosen;

    // The reader's side.
    private List<TokenRecord> _taken; // not sent yet
    private int _decoded; // of those, how many are part of the text
    private int _completionTokens;
    private bool _isDone;
    private bool _hasUnreported; // a chunk was returned whose reader has not come back
    private bool _isCancelled;
    private CancellationTokenRegistration _cancellation; // of the token that the last read brought

    /// <param name="forcedInterval">A reader that has nothing to send still takes tokens this often, so that the engine's side stays small.</param>
    internal Generation(InferenceEngine engine, GenerationRequest request, Request scheduled, RequestRecord record, Replica replica, TextAssembler text, int[] stopTokenIds,
        int defaultInterval, int forcedInterval, long engineSeed, CompiledGrammar? grammar)
    {
        Grammar = grammar;
        StopTokenIds = stopTokenIds;
        Seed = (ulong)(request.Sampling.Seed ?? engineSeed);
        _engine = engine;
        _request = request;
        Scheduled = scheduled;
        Record = record;
        Replica = replica;
        _text = text;
        _interval = Math.Max(1, request.StreamInterval ?? defaultInterval);
        _forcedInterval = forcedInterval;
        _arrived = [];
        _taken = [];
    }

    /// <summary>The scheduler's view of the same request; the engine thread's alone but for counters.</summary>
    internal Request Scheduled { get; }

    /// <summary>What is told of it later.</summary>
    internal RequestRecord Record { get; }

    /// <summary>Who serves it.</summary>
    internal Replica Replica { get; }

    /// <summary>Index of the replica that serves it.</summary>
    public int DpRank => Replica.Index;

    /// <summary>Ids that end the output, also with ignore_eos: none may be drawn before min_new_tokens.</summary>
    internal int[] StopTokenIds { get; }

    int[] ISampledRequest.StopTokenIds => StopTokenIds;

    internal CompiledGrammar? Grammar { get; }

    CompiledGrammar? ISampledRequest.Grammar => Grammar;

    /// <summary>Of every draw of this request: the user's, or one the engine drew.</summary>
    internal ulong Seed { get; }

    ulong ISampledRequest.Seed => Seed;

    internal LogprobOptions? Logprobs => _request.Logprobs;

    public string Rid => _request.Rid;
    public int PromptTokens => _request.InputIds.Length;

    /// <summary>Tokens delivered so far, the stop token included.</summary>
    public int CompletionTokens => _completionTokens;

    /// <summary>Prompt tokens taken from the prefix cache at first admission.</summary>
    public int CachedTokens => Scheduled.CachedTokens;
    public int NumRetractions => Scheduled.NumRetractions;

    /// <summary>Time since submission; until the last token once finished.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_submitted, Volatile.Read(ref _finished) is var end and not 0 ? end : Stopwatch.GetTimestamp());

    /// <summary>When it reached its stages.</summary>
    public GenerationTimes Times => new(Scheduled.EnqueuedAt, Scheduled.AdmittedAt, Volatile.Read(ref _firstToken), Volatile.Read(ref _finished));

    /// <summary>Null until the first token.</summary>
    public TimeSpan? TimeToFirstToken => Volatile.Read(ref _firstToken) is var first and not 0 ? Stopwatch.GetElapsedTime(_submitted, first) : null;

    /// <summary>
    /// The next chunk; null after the one that carries <see cref="GenerationChunk.Finish"/>. An error inside the engine is a chunk whose
    /// finish is an abort with its status code, never an exception. Cancellation aborts the request.
    /// </summary>
    public ValueTask<GenerationChunk?> ReadAsync(CancellationToken cancellation = default)
    {
        ReportSent();
        if (_isDone) return ValueTask.FromResult<GenerationChunk?>(null);
        if (_cancellation.Token != cancellation)
        {
            // One reader uses one token for all of its reads.
            _cancellation.Unregister();
            _cancellation = cancellation.UnsafeRegister(static self => ((Generation)self!).Cancel(), this);
        }
        _next.Reset();
        short version = _next.Version;
        if (TryRead(out GenerationChunk? chunk)) return ValueTask.FromResult(chunk);
        // Whoever wakes the reader may have done so by now: the version is of this read all the same.
        return new ValueTask<GenerationChunk?>(this, version);
    }

    public ValueTask DisposeAsync()
    {
        ReportSent();
        _cancellation.Unregister();
        Abandon();
        return ValueTask.CompletedTask;
    }

    /// <summary>Completes when the prompt's pages are in the prefix cache, or the request has ended.</summary>
    internal Task WhenPromptIsComputed()
    {
        lock (_gate)
        {
            if (_firstToken != 0 || _finish is not null) return Task.CompletedTask;
            _promptIsComputed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _promptIsComputed.Task;
        }
    }

    /// <summary>Engine thread: the scores of the token that comes next.</summary>
    internal void SetNextScores(float logprob, TokenLogprob[]? top, TokenLogprob[]? chosen)
    {
        _nextLogprob = logprob;
        _nextTop = top;
        _nextChosen = chosen;
    }

    /// <summary>Engine thread: a token with the scores last set.</summary>
    internal TokenRecord WithScores(int tokenId) => new(tokenId, _nextLogprob, _nextTop, _nextChosen);

    /// <summary>
    /// A sampled token, with the engine's verdict if it is the last; called by one thread after the other. True for the first one. A reader
    /// that waits for it is left in <paramref name="wakes"/>.
    /// </summary>
    internal bool Push(in TokenRecord token, FinishReason? finish, ReaderWakes wakes)
    {
        bool wake, isFirst;
        lock (_gate)
        {
            isFirst = _firstToken == 0;
            if (isFirst)
            {
                Volatile.Write(ref _firstToken, Stopwatch.GetTimestamp());
                CompletePromptScores();
                _promptIsComputed?.TrySetResult();
            }
            _arrived.Add(token);
            wake = SetFinish(finish) || ((WantsTokensEarly || _arrived.Count >= _forcedInterval) && Wake());
        }
        if (wake) wakes.Add(this);
        return isFirst;
    }

    /// <summary>Does what a reader waits for, and runs it if there is a chunk for it.</summary>
    internal void Resume()
    {
        GenerationChunk? chunk;
        try
        {
            if (!TryRead(out chunk)) return;
        }
        catch (Exception e)
        {
            _next.SetException(e);
            return;
        }
        _next.SetResult(chunk);
    }

    /// <summary>The request ended without a further token.</summary>
    internal void End(FinishReason finish)
    {
        bool wake;
        lock (_gate)
        {
            CompletePromptScores();
            wake = SetFinish(finish);
        }
        if (wake) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Engine thread, before the first token: scores of a chunk of the prompt.</summary>
    internal void AddPromptScores(in PromptScores scores)
    {
        _promptScores.AddRange(scores.Tokens);
        if (scores.Top is not null) _promptTop.AddRange(scores.Top);
        if (scores.Chosen is not null) _promptChosen.AddRange(scores.Chosen);
    }

    /// <summary>Engine thread, before the end.</summary>
    internal void SetEmbedding(float[] values)
    {
        lock (_gate) _embedding = values;
    }

    void IThreadPoolWorkItem.Execute() => Resume();

    GenerationChunk? IValueTaskSource<GenerationChunk?>.GetResult(short token) => _next.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<GenerationChunk?>.GetStatus(short token) => _next.GetStatus(token);

    void IValueTaskSource<GenerationChunk?>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _next.OnCompleted(continuation, state, token, flags);

    /// <summary>Whether the reader has something to do before the end: send, or look for stop strings.</summary>
    private bool WantsTokensEarly => _request.IsStreaming || _request.Sampling.HasTextStop;

    /// <summary>The list begins with the first scored position's own token, which has no score.</summary>
    private void CompletePromptScores()
    {
        if (_request.Logprobs is not { StartLength: >= 0 } options || options.StartLength >= PromptTokens || _inputLogprobs is not null) return;
        TokenLogprob first = new(null, _request.InputIds[options.StartLength]);
        _inputLogprobs = new InputLogprobs([first, .. _promptScores], options.TopCount > 0 ? [null, .. _promptTop] : [],
            options.TokenIds.Length > 0 ? [null, .. _promptChosen] : []);
    }

    private bool SetFinish(FinishReason? finish)
    {
        if (finish is null || _finish is not null) return false;
        _finish = finish;
        _promptIsComputed?.TrySetResult();
        Volatile.Write(ref _finished, Stopwatch.GetTimestamp());
        return Wake();
    }

    private bool Wake()
    {
        bool wasWaiting = _isWaiting;
        _isWaiting = false;
        return wasWaiting;
    }

    /// <summary>A reader that comes back has dealt with the chunk before.</summary>
    private void ReportSent()
    {
        if (!_hasUnreported) return;
        _hasUnreported = false;
        Record.Sent();
    }

    /// <summary>What nobody reads any more is not generated.</summary>
    private void Abandon()
    {
        if (_isDone) return;
        _isDone = true;
        _engine.AbortExactly(this);
    }

    private void Cancel()
    {
        bool wake;
        lock (_gate)
        {
            _isCancelled = true;
            wake = Wake();
        }
        if (wake) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>False where there is nothing to send yet: <see cref="Resume"/> will be called once, by whoever brings more.</summary>
    /// <exception cref="OperationCanceledException">The read was cancelled, which has aborted the request.</exception>
    private bool TryRead(out GenerationChunk? chunk)
    {
        while (true)
        {
            FinishReason? finish;
            lock (_gate)
            {
                finish = _finish;
                if (_arrived.Count == 0 && finish is null && !_isCancelled)
                {
                    chunk = null;
                    _isWaiting = true;
                    return false;
                }
                if (_taken.Count == 0)
                {
                    (_taken, _arrived) = (_arrived, _taken);
                }
                else
                {
                    _taken.AddRange(_arrived);
                    _arrived.Clear();
                }
            }
            if (_isCancelled)
            {
                Abandon();
                throw new OperationCanceledException(_cancellation.Token);
            }
            chunk = Digest(finish);
            if (chunk is not null) return true;
        }
    }

    /// <summary>Processes what was taken; a chunk if there is one to send now.</summary>
    private GenerationChunk? Digest(FinishReason? finish)
    {
        TraceRecorder recorder = _engine.Profiler.Recorder;
        long start = recorder.Begin();
        int tokens = _taken.Count - _decoded;
        GenerationChunk? chunk = Decode(finish);
        recorder.End(start, _engine.Profiler.Spans.Detokenize, tokens);
        return chunk;
    }

    private GenerationChunk? Decode(FinishReason? finish)
    {
        bool isDue = false;
        while (_decoded < _taken.Count)
        {
            int id = _taken[_decoded++].Id;
            bool isLast = finish is not null && _decoded == _taken.Count;
            _text.Append(id, isLast ? finish : null);
            _completionTokens++;
            if (_text.MatchedStop is { } matched)
            {
                // Tokens that were sampled before the engine hears of the match are dropped on both sides.
                FinishReason stop = FinishReason.StopString(matched);
                _engine.FinishAt(this, _completionTokens, stop);
                _taken.RemoveRange(_decoded, _taken.Count - _decoded);
                lock (_gate) Volatile.Write(ref _finished, Stopwatch.GetTimestamp());
                return Send(stop);
            }
            isDue |= _completionTokens % _interval == (_interval > 1 ? 1 : 0);
        }
        if (finish is not null)
        {
            _text.End();
            return Send(_text.MatchedStop is { } matched ? FinishReason.StopString(matched) : finish);
        }
        // A chunk without text tells its reader nothing unless the reader works with ids or scores.
        bool isWorthSending = _text.HasText || _request.Logprobs is not null || _engine.Tokenizer is null;
        return _request.IsStreaming && isDue && isWorthSending ? Send(null) : null;
    }

    private GenerationChunk Send(FinishReason? finish)
    {
        InputLogprobs? input;
        float[]? embedding;
        lock (_gate)
        {
            embedding = finish is null ? null : _embedding;
            input = _hasSentInputLogprobs ? null : _inputLogprobs;
            _hasSentInputLogprobs |= input is not null;
        }
        bool scored = _request.Logprobs is not null;
        GenerationChunk chunk = new()
        {
            Text = _text.Take(),
            TokenIds = UnsentIds(),
            Logprobs = scored ? [.. _taken.Select(token => new TokenLogprob(token.Logprob, token.Id))] : [],
            TopLogprobs = scored && _request.Logprobs!.TopCount > 0 ? [.. _taken.Select(token => token.Top ?? [])] : [],
            ChosenLogprobs = scored && _request.Logprobs!.TokenIds.Length > 0 ? [.. _taken.Select(token => token.Chosen ?? [])] : [],
            InputLogprobs = input?.Tokens ?? [],
            InputTopLogprobs = input?.Top ?? [],
            Embedding = embedding,
            InputChosenLogprobs = input?.Chosen ?? [],
            Finish = finish,
        };
        _taken.Clear();
        _decoded = 0;
        if (finish is not null) _isDone = true;
        _hasUnreported = true;
        return chunk;
    }

    private int[] UnsentIds()
    {
        int[] ids = new int[_taken.Count];
        for (int i = 0; i < ids.Length; i++) ids[i] = _taken[i].Id;
        return ids;
    }
}
