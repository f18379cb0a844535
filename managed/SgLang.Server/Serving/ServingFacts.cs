using SgLang.Engine;
using SgLang.Profiling;
using SgLang.Protocol;
using SgLang.Tokenization;

namespace SgLang.Server.Serving;

/// <summary>What turning a request into prompts needs to know of the engine; apart from it so that it can be tested without one.</summary>
internal sealed record ServingFacts
{
    public required int VocabularySize { get; init; }
    public required int MaxRequestsPerBody { get; init; }

    /// <summary>(text, add special tokens) to ids; null without a tokenizer.</summary>
    public required Func<string, bool, int[]>? Encode { get; init; }

    /// <summary>Text of one id; null without a tokenizer.</summary>
    public required Func<int, string>? DecodeToken { get; init; }

    /// <summary>Text of a whole prompt, special tokens shown; null without a tokenizer.</summary>
    public required Func<int[], string>? Decode { get; init; }

    /// <summary>The token that ends a model's reasoning; null where that is no single token.</summary>
    public int? ReasoningEndTokenId { get; init; }

    /// <summary>Texts that the chat template says end an answer.</summary>
    public IReadOnlyList<string> ChatStops { get; init; } = [];

    public static ServingFacts Of(ServingContext context) => new()
    {
        VocabularySize = context.Engine.Info.VocabularySize,
        ReasoningEndTokenId = context.Engine.Tokenizer?.TokenToId(Parsing.ReasoningSplitter.Close),
        ChatStops = context.Engine.ChatTemplate?.StopStrings ?? [],
        MaxRequestsPerBody = context.Options.MaxRequestsPerBody,
        Encode = context.Engine.Tokenizer is { } tokenizer ? Traced(context.Engine.Profiler.Recorder, tokenizer.Encode) : null,
        DecodeToken = context.Engine.Tokenizer is { } decoder ? decoder.DecodeToken : null,
        Decode = context.Engine.Tokenizer is { } reader ? ids => reader.Decode(ids, skipSpecialTokens: false) : null,
    };

    private static Func<string, bool, int[]> Traced(TraceRecorder recorder, Func<string, bool, int[]> encode) => (text, addSpecialTokens) =>
    {
        long start = recorder.Begin();
        int[] ids = encode(text, addSpecialTokens);
        if (start != 0) recorder.End(start, recorder.Names.Register("tokenizer.encode", "characters", "tokens"), text.Length, ids.Length);
        return ids;
    };

    /// <exception cref="InvalidRequestException">There is no tokenizer.</exception>
    public int[] EncodeText(string text, bool addSpecialTokens, string field) => Encode is null
        ? throw new InvalidRequestException($"{field} needs a tokenizer, and this server runs without one; send input_ids instead.")
        : Encode(text, addSpecialTokens);

    /// <summary>Batch times n, each of which becomes a request of the engine.</summary>
    public void CheckCount(int prompts, int n)
    {
        if (n < 1) throw new InvalidRequestException($"n must be at least 1, got {n}.");
        if ((long)prompts * n > MaxRequestsPerBody)
            throw new InvalidRequestException($"{prompts} prompts times n = {n} is more than the {MaxRequestsPerBody} requests one body may hold; send fewer.");
    }
}
