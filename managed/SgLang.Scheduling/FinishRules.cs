using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>Whether a new token ends its request. Stop strings are found by the reader of the stream, see <see cref="Scheduler.FinishAt"/>.</summary>
internal static class FinishRules
{
    private static readonly FinishReason s_noToken = FinishReason.Abort("No token of the vocabulary continues the text by its grammar.", 500);

    /// <summary>
    /// In order: length, id outside the vocabulary, stop token. A token that brings the output to max_new_tokens ends it by length even
    /// if it is a stop token. <paramref name="keepsToken"/> is false for an id that is no token.
    /// </summary>
    public static FinishReason? Check(Request request, int tokenId, int vocabularySize, out bool keepsToken)
    {
        int length = request.OutputLength + 1;
        keepsToken = tokenId >= 0 && (vocabularySize == 0 || tokenId < vocabularySize);
        if (length >= request.MaxNewTokens) return FinishReason.Length;
        bool hasGrammar = request.SamplingParams.Grammar is not null;
        if (!keepsToken) return hasGrammar ? s_noToken : FinishReason.StopString("NaN happened");
        // A grammar lets a stop token pass only where the text is complete, and may leave no other.
        if ((length > request.MinNewTokens || hasGrammar) && request.StopTokenIds.AsSpan().Contains(tokenId)) return FinishReason.StopToken(tokenId);
        return null;
    }
}
