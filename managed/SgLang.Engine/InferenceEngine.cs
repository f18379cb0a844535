using SgLang.Core;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// A loaded model that continues prompts: submit, stream, abort. Thread safe. Each public call is a message to the engine's own thread or
/// reads a snapshot, so callers never wait for a step.
/// </summary>
public sealed class InferenceEngine : IAsyncDisposable
{
    /// <summary>Loads and starts. Throws <see cref="EngineStartException"/> with a message for the user.</summary>
    /// <param name="progress">Called with (what, done, total) while weights load.</param>
    public static InferenceEngine Start(EngineOptions options, Action<string, long, long>? progress = null) => throw new NotImplementedException();

    public EngineOptions Options => throw new NotImplementedException();
    public EngineInfo Info => throw new NotImplementedException();
    public EngineStats Stats => throw new NotImplementedException();

    /// <summary>Null with --skip-tokenizer-init or where the model has none; ids still work.</summary>
    public Tokenizer? Tokenizer => throw new NotImplementedException();
    public ChatTemplate? ChatTemplate => throw new NotImplementedException();

    /// <summary>Sampling defaults of generation_config.json.</summary>
    public SamplingParams ModelDefaults => throw new NotImplementedException();

    /// <summary>False once the engine has stopped by an error; <see cref="Fault"/> says which.</summary>
    public bool IsAlive => throw new NotImplementedException();
    public Exception? Fault => throw new NotImplementedException();

    /// <summary>
    /// Queues a request. Throws <see cref="RequestRejectedException"/> (with its HTTP status) for a prompt too long, an id outside the
    /// vocabulary, parameters out of range, a rid in use, or a full queue.
    /// </summary>
    public Generation Submit(GenerationRequest request) => throw new NotImplementedException();

    /// <summary>Aborts every unfinished request whose rid starts with <paramref name="ridPrefix"/>; unknown ones are ignored.</summary>
    public void Abort(string ridPrefix) => throw new NotImplementedException();

    public void AbortAll() => throw new NotImplementedException();

    /// <summary>Empties the prefix cache if nothing runs or waits, waiting up to <paramref name="timeout"/> for that; else returns false.</summary>
    public Task<bool> FlushCacheAsync(TimeSpan timeout) => throw new NotImplementedException();

    /// <summary>Refuses new requests (503) and completes when the running ones have finished.</summary>
    public Task DrainAsync(CancellationToken cancellation = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>The engine could not start; the message says what to change.</summary>
public sealed class EngineStartException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A request that was not accepted; the message is for its sender.</summary>
public sealed class RequestRejectedException(string message, int statusCode) : Exception(message)
{
    public int StatusCode { get; } = statusCode;
}
