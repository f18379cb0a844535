namespace SgLang.Core;

public enum FinishKind : byte
{
    /// <summary>A stop token; <see cref="FinishReason.TokenId"/> is the one.</summary>
    StopToken,

    /// <summary>A stop string; <see cref="FinishReason.Text"/> is the one.</summary>
    StopString,

    /// <summary>max_new_tokens reached.</summary>
    Length,

    /// <summary>Ended by the user or by an error; <see cref="FinishReason.Text"/> says why.</summary>
    Abort,
}

/// <summary>Why a request ended.</summary>
/// <param name="StatusCode">HTTP status of an abort that is an error; 0 for an abort the user asked for and for every other kind.</param>
public readonly record struct FinishReason(FinishKind Kind, int TokenId = -1, string? Text = null, int StatusCode = 0)
{
    public static FinishReason Length => new(FinishKind.Length);

    public static FinishReason StopToken(int tokenId) => new(FinishKind.StopToken, tokenId);

    public static FinishReason StopString(string matched) => new(FinishKind.StopString, Text: matched);

    public static FinishReason Abort(string message, int statusCode = 0) => new(FinishKind.Abort, Text: message, StatusCode: statusCode);
}
