namespace SgLang.Server.Parsing;

internal enum ParsedKind : byte
{
    Content,
    Reasoning,

    /// <summary>A tool call begins; the text is the function's name.</summary>
    CallBegin,

    /// <summary>More of the arguments of a call, as JSON text.</summary>
    CallArguments,
}

/// <summary>A piece of a model's answer, told apart from the rest.</summary>
/// <param name="Call">Which tool call it belongs to, from 0; -1 for text.</param>
internal readonly record struct ParsedPart(ParsedKind Kind, string Text, int Call = -1);
