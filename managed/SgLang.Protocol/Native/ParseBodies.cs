using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol;

/// <summary>Body of /separate_reasoning.</summary>
public sealed record SeparateReasoningRequest
{
    public string? Text { get; set; }

    /// <summary>Null takes that of the server's flag.</summary>
    public string? ReasoningParser { get; set; }
}

public sealed record SeparateReasoningResponse(string ReasoningText, string Text);

/// <summary>Body of /parse_function_call.</summary>
public sealed record ParseFunctionCallRequest
{
    public string? Text { get; set; }
    public JsonElement? Tools { get; set; }

    /// <summary>Null takes that of the server's flag.</summary>
    public string? ToolCallParser { get; set; }
}

public sealed record ParseFunctionCallResponse(string NormalText, IReadOnlyList<ParsedCall> Calls);

/// <param name="ToolIndex">Place of the function among the request's tools.</param>
/// <param name="Parameters">JSON text as the model wrote it.</param>
public sealed record ParsedCall(int ToolIndex, string Name, string Parameters);
