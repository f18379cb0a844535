namespace SgLang.Core;

public enum GrammarKind : byte
{
    /// <summary>A JSON schema; <see cref="GrammarSpec.AnyJson"/> as its text means any JSON value.</summary>
    JsonSchema,

    /// <summary>A regular expression that the whole output matches.</summary>
    Regex,

    /// <summary>Rules `name ::= expression`, beginning with `root`.</summary>
    Ebnf,

    /// <summary>Free text in which certain words begin prescribed parts, as JSON.</summary>
    StructuralTag,
}

/// <summary>What an output must look like, as its user wrote it. Equal specifications share one compiled grammar.</summary>
public readonly record struct GrammarSpec(GrammarKind Kind, string Text)
{
    public const string AnyJson = "$$ANY$$";

    /// <summary>Name of the request's field, for messages.</summary>
    public string FieldName => Kind switch
    {
        GrammarKind.JsonSchema => "json_schema",
        GrammarKind.Regex => "regex",
        GrammarKind.Ebnf => "ebnf",
        _ => "structural_tag",
    };
}
