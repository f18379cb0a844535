using System.Text.Json.Serialization;

namespace SgLang.Protocol;

/// <summary>A call of a function, or in a stream a piece of one: only its first piece has an id and a name.</summary>
public sealed record ToolCall
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Id { get; init; }
    public required int Index { get; init; }
    public string Type { get; init; } = "function";
    public required ToolCallFunction Function { get; init; }
}

public sealed record ToolCallFunction
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Name { get; init; }

    /// <summary>JSON text.</summary>
    public required string Arguments { get; init; }
}
