using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>Whether a new token ends its request. Stop strings are found by the reader of the stream, see <see cref="Scheduler.FinishAt"/>.</summary>
internal static class FinishRules
{
    /// <summary>
    /// In order: length, id outside the vocabulary, stop token. A token that brings the output to max_new_tokens ends it by length even
    /// if it is a stop token. <paramref name="keepsToken"/> is false for an id that is no token.
    /// </summary>
    public static FinishReason? Check(Request request, int tokenId, int vocabularySize, out bool keepsToken)
    {
        int length = request.OutputLength + 1;
        keepsToken = tokenId >= 0 && (vocabularySize == 0 || tokenId < vocabularySize);
        if (length >= request.MaxNewTokens) return FinishReason.Length;
        if (!keepsToken) return FinishReason.StopString("NaN happened");
        if (length > request.MinNewTokens && request.StopTokenIds.AsSpan().Contains(tokenId)) return FinishReason.StopToken(tokenId);
        return null;
    }
}
