using System.Text.Json;
using System.Text.Json.Serialization;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Body of /tokenize: exactly one of prompt and messages.</summary>
public sealed record TokenizeRequest
{
    public string? Model { get; set; }
    public OneOrMany<string>? Prompt { get; set; }
    public JsonElement? Messages { get; set; }
    public bool? AddSpecialTokens { get; set; }
    public JsonElement? Tools { get; set; }
    public JsonElement? ChatTemplateKwargs { get; set; }
}

/// <summary>Lists are nested where the prompt was a list.</summary>
public sealed record TokenizeResponse
{
    public required OneOrMany<int[]> Tokens { get; set; }
    public required OneOrMany<int> Count { get; set; }

    /// <summary>The tokenizer's, -1 where it sets none.</summary>
    public required int MaxModelLen { get; set; }
}

public sealed record DetokenizeRequest
{
    public string? Model { get; set; }
    public OneOrMany<int[]>? Tokens { get; set; }
    public bool? SkipSpecialTokens { get; set; }
}

public sealed record DetokenizeResponse
{
    public required OneOrMany<string> Text { get; set; }
}
