using System.Diagnostics;
using SgLang.Core;
using SgLang.Grammars;
using SgLang.Grammars.Matching;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// Compiles grammars away from the engine's thread and keeps them, the failed ones too. Requests for one grammar share its compilation;
/// a few compile at a time.
/// </summary>
internal sealed class GrammarStore
{
    private const int MaxKept = 128;

    /// <summary>Schemas nest; their translation recurs.</summary>
    private const int StackBytes = 16 << 20;

    private readonly EngineOptions _options;
    private readonly GrammarOptions _grammarOptions;
    private readonly Lazy<TokenVocabulary> _vocabulary;
    private readonly SemaphoreSlim _slots = new(Math.Max(1, Environment.ProcessorCount / 2));
    private readonly Lock _gate = new();
    private readonly Dictionary<GrammarSpec, Entry> _entries = [];
    private long _uses;
    private int _numWaiting;
    private long _requests, _hits, _aborted, _timedOut;

    public GrammarStore(EngineOptions options, Tokenizer? tokenizer, int vocabularySize)
        : this(options, tokenizer is null ? null : () => VocabularyOf(tokenizer, vocabularySize))
    {
    }

    /// <param name="vocabulary">Null without a tokenizer.</param>
    internal GrammarStore(EngineOptions options, Func<TokenVocabulary>? vocabulary)
    {
        _options = options;
        HasVocabulary = vocabulary is not null;
        _grammarOptions = new GrammarOptions
        {
            CompileTimeout = TimeSpan.FromSeconds(options.GrammarCompileTimeoutSeconds),
            CompactJson = options.ConstrainedJsonDisableAnyWhitespace,
            JsonWhitespacePattern = options.ConstrainedJsonWhitespacePattern,
        };
        _vocabulary = new Lazy<TokenVocabulary>(vocabulary ?? (() => throw new InvalidOperationException("There is no vocabulary.")));
    }

    /// <summary>Requests that wait for their grammar.</summary>
    public int NumWaiting => Volatile.Read(ref _numWaiting);
    public GrammarCounts Counts => new(Interlocked.Read(ref _requests), Interlocked.Read(ref _hits), Interlocked.Read(ref _aborted), Interlocked.Read(ref _timedOut));

    /// <summary>Called with the duration of each compilation, on its thread.</summary>
    public event Action<TimeSpan>? Compiled;
    private bool HasVocabulary { get; }

    /// <exception cref="RequestRejectedException">Status 400: grammars are off, or this one is wrong, not supported, too large or too slow.</exception>
    public async Task<CompiledGrammar> GetAsync(GrammarSpec spec, CancellationToken cancellation)
    {
        if (!_options.EnableGrammars)
            throw new RequestRejectedException($"{spec.FieldName} is not served: the server was started with --grammar-backend none.", 400);
        if (!HasVocabulary) throw new RequestRejectedException($"{spec.FieldName} needs a tokenizer, and this server runs without one.", 400);
        Interlocked.Increment(ref _numWaiting);
        Interlocked.Increment(ref _requests);
        try
        {
            Task<CompiledGrammar> compilation = EntryOf(spec);
            if (compilation.IsCompleted) Interlocked.Increment(ref _hits);
            return await compilation.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Interlocked.Increment(ref _aborted);
            throw;
        }
        catch (Exception error) when (error is GrammarException or TokenizerException)
        {
            throw new RequestRejectedException($"{spec.FieldName}: {error.Message}.", 400);
        }
        finally
        {
            Interlocked.Decrement(ref _numWaiting);
        }
    }

    /// <summary>Forgets what is compiled; what is being compiled stays.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (GrammarSpec spec in _entries.Where(entry => entry.Value.Task.IsCompleted).Select(entry => entry.Key).ToArray()) _entries.Remove(spec);
        }
    }

    private Task<CompiledGrammar> EntryOf(GrammarSpec spec)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(spec, out Entry? known))
            {
                known.LastUse = ++_uses;
                return known.Task;
            }
            if (_entries.Count >= MaxKept) DropOldest();
            var made = new Entry(CompileAsync(spec)) { LastUse = ++_uses };
            _entries.Add(spec, made);
            return made.Task;
        }
    }

    private void DropOldest()
    {
        GrammarSpec? oldest = null;
        long use = long.MaxValue;
        foreach ((GrammarSpec spec, Entry entry) in _entries)
            if (entry.LastUse < use) (oldest, use) = (spec, entry.LastUse);
        if (oldest is { } found) _entries.Remove(found);
    }

    private async Task<CompiledGrammar> CompileAsync(GrammarSpec spec)
    {
        // Away from the caller, who holds the lock.
        await Task.Yield();
        await _slots.WaitAsync().ConfigureAwait(false);
        try
        {
            var completion = new TaskCompletionSource<CompiledGrammar>(TaskCreationOptions.RunContinuationsAsynchronously);
            var thread = new Thread(() => Compile(spec, completion), StackBytes) { Name = "sgl-grammar", IsBackground = true };
            thread.Start();
            return await completion.Task.ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    private void Compile(GrammarSpec spec, TaskCompletionSource<CompiledGrammar> completion)
    {
        using var limit = new CancellationTokenSource();
        long start = 0;
        try
        {
            TokenVocabulary vocabulary = _vocabulary.Value;
            start = Stopwatch.GetTimestamp();
            limit.CancelAfter(_grammarOptions.CompileTimeout);
            CompiledGrammar grammar = GrammarCompiler.Compile(spec, vocabulary, _grammarOptions, limit.Token);
            Compiled?.Invoke(Stopwatch.GetElapsedTime(start));
            completion.SetResult(grammar);
        }
        catch (Exception error)
        {
            if (start != 0) Compiled?.Invoke(Stopwatch.GetElapsedTime(start));
            if (error is GrammarException && limit.IsCancellationRequested) Interlocked.Increment(ref _timedOut);
            completion.SetException(error);
        }
    }

    private static TokenVocabulary VocabularyOf(Tokenizer tokenizer, int vocabularySize)
    {
        TokenBytes bytes = TokenBytes.Of(tokenizer);
        return new TokenVocabulary(vocabularySize, bytes.Later, bytes.First);
    }

    private sealed class Entry(Task<CompiledGrammar> task)
    {
        public Task<CompiledGrammar> Task { get; } = task;
        public long LastUse { get; set; }
    }
}
