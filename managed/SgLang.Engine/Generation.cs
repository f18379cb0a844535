using SgLang.Core;

namespace SgLang.Engine;

/// <summary>
/// A request under way. One reader calls <see cref="ReadAsync"/> until it returns null; disposing before that aborts the request,
/// so a client that vanishes frees its pages.
/// </summary>
public sealed class Generation : IAsyncDisposable
{
    public string Rid => throw new NotImplementedException();
    public int PromptTokens => throw new NotImplementedException();

    /// <summary>Tokens delivered so far, the stop token included.</summary>
    public int CompletionTokens => throw new NotImplementedException();

    /// <summary>Prompt tokens taken from the prefix cache at first admission.</summary>
    public int CachedTokens => throw new NotImplementedException();
    public int NumRetractions => throw new NotImplementedException();

    /// <summary>Time since submission; until the last token once finished.</summary>
    public TimeSpan Elapsed => throw new NotImplementedException();

    /// <summary>
    /// The next chunk; null after the one that carries <see cref="GenerationChunk.Finish"/>. An error inside the engine is a chunk whose
    /// finish is an abort with its status code, never an exception. Cancellation aborts the request.
    /// </summary>
    public ValueTask<GenerationChunk?> ReadAsync(CancellationToken cancellation = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
