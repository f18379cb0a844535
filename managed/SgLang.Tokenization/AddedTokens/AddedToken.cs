namespace SgLang.Tokenization.AddedTokens;

/// <summary>A token that is found in the text itself, before the model sees any of it.</summary>
internal sealed record AddedToken(string Content, int Id)
{
    public bool IsSpecial { get; init; }

    /// <summary>Takes the whitespace before it along.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>Takes the whitespace after it along.</summary>
    public bool StripsRight { get; init; }

    /// <summary>Only where no word character adjoins.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Looked for in normalized text (in its own normalized form) rather than in the raw text.</summary>
    public bool Normalized { get; init; }
}
