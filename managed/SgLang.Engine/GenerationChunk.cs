using SgLang.Core;

namespace SgLang.Engine;

/// <summary>A scored token. <see cref="Logprob"/> is null for the first token of a prompt.</summary>
public readonly record struct TokenLogprob(float? Logprob, int TokenId);

/// <summary>What one wake-up of a generation brings: the text and tokens since the last chunk.</summary>
public sealed class GenerationChunk
{
    /// <summary>New text; empty while a character is incomplete or a stop string may be under way, and without a tokenizer.</summary>
    public required string Text { get; init; }
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>One entry a token of <see cref="TokenIds"/>; empty when not asked for.</summary>
    public IReadOnlyList<TokenLogprob> Logprobs { get; init; } = [];

    /// <summary>Per token the largest alternatives in falling order; empty when not asked for.</summary>
    public IReadOnlyList<IReadOnlyList<TokenLogprob>> TopLogprobs { get; init; } = [];

    /// <summary>Per token the ids that the request named, in its order; empty when it named none.</summary>
    public IReadOnlyList<IReadOnlyList<TokenLogprob>> ChosenLogprobs { get; init; } = [];

    /// <summary>Prompt positions from logprob_start_len on; in the first chunk only, empty when not asked for.</summary>
    public IReadOnlyList<TokenLogprob> InputLogprobs { get; init; } = [];
    public IReadOnlyList<IReadOnlyList<TokenLogprob>?> InputTopLogprobs { get; init; } = [];
    public IReadOnlyList<IReadOnlyList<TokenLogprob>?> InputChosenLogprobs { get; init; } = [];

    /// <summary>[hidden] the last token's hidden state after the last norm, scaled to length 1; null unless asked for.</summary>
    public float[]? Embedding { get; init; }

    /// <summary>Whose chunk it is, for who reads several generations as one sequence and sets it.</summary>
    public int Index { get; set; }

    /// <summary>Set in the last chunk only.</summary>
    public FinishReason? Finish { get; init; }
}
